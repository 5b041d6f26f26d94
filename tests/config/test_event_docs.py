"""The documents of events are generated from the catalog: complete, current and valid."""

import pytest
from django.conf import settings
from django.test import Client
from jsonschema_rs import Draft202012Validator

from common.api.bodies import serializer_of
from common.json_schemas import SchemaSet
from config import event_docs
from config.management.commands.export_events import DESTINATION
from events import bodies
from events.catalog import EventType
from events.representation import EventBody


@pytest.mark.parametrize("event_type", EventType)
def test_every_type_has_a_sentence_a_body_and_a_valid_schema(event_type: EventType) -> None:
    assert event_type.label.endswith(".")
    schema = event_docs.json_schema(event_type)
    Draft202012Validator(schema)
    assert schema["properties"]["type"] == {"const": event_type.value}
    assert set(schema["properties"]) == set(EventBody.__annotations__)


@pytest.mark.parametrize("event_type", EventType)
def test_the_schema_of_a_body_has_the_members_of_the_api(event_type: EventType) -> None:
    """Both documents come from one declaration, by two generators."""
    body = bodies.body_of(event_type)
    schemas = SchemaSet()
    name = schemas.ref(body)["$ref"].rpartition("/")[2]
    fields = serializer_of(body)().fields
    assert set(schemas.schemas[name]["properties"]) == set(fields)
    required = {field for field, each in fields.items() if each.required}
    assert set(schemas.schemas[name]["required"]) == required


def test_a_body_has_one_registration() -> None:
    with pytest.raises(ValueError, match=r"payment\.paid"):
        bodies.register({EventType.PAYMENT_PAID: EventBody})


def test_the_page_is_current() -> None:
    assert (settings.BASE_DIR / DESTINATION).read_text() == event_docs.page(), (
        "Run manage.py export_events."
    )


def test_the_asyncapi_document_names_every_type_and_nothing_that_is_missing() -> None:
    response = Client().get("/api/events-schema")
    assert response.status_code == 200
    document = response.json()
    assert document["asyncapi"] == "3.0.0"
    messages = document["components"]["messages"]
    channels = document["channels"]
    assert set(channels["events"]["messages"]) == {*EventType.values}
    assert set(channels["inbound"]["messages"]) == {"user.created", "user.updated", "user.deleted"}
    assert set(messages) == {name for each in channels.values() for name in each["messages"]}
    assert _broken_references(document, document) == []


def test_the_schema_of_one_type_is_served() -> None:
    response = Client().get("/api/events-schema/payment.paid")
    assert response.headers["Content-Type"] == "application/schema+json"
    assert response.json()["title"] == "payment.paid"
    assert Client().get("/api/events-schema/payment.vanished").status_code == 404


def _broken_references(document: object, node: object) -> list[str]:
    if isinstance(node, list):
        return [fault for child in node for fault in _broken_references(document, child)]
    if not isinstance(node, dict):
        return []
    faults = [fault for child in node.values() for fault in _broken_references(document, child)]
    reference = node.get("$ref")
    if isinstance(reference, str) and not _leads_somewhere(document, reference):
        faults.append(reference)
    return faults


def _leads_somewhere(document: object, reference: str) -> bool:
    node = document
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True
