"""Documents of all events: JSON Schemas, AsyncAPI 3, and ``docs/events.md``.

They are generated from the catalog (``events.catalog``) and the bodies that the apps register.
"""

from functools import cache
from typing import Any

import orjson
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from common.json_schemas import Schema, SchemaSet
from delivery.inbound.bodies import UserMessageBody
from delivery.inbound.user_messages import UserEvent
from events import bodies
from events.catalog import EventType
from events.log.outbox import SCHEMA_VERSION
from events.representation import EventBody

DIALECT = "https://json-schema.org/draft/2020-12/schema"
INTRODUCTION = """Every change in a project that its software would act on is an event. Read events
in order with `GET /api/v1/events`.

An event never changes, unless its customer is erased. New types and new members may be added at any
time: ignore what you do not know. Events of one customer have a `sequence` without holes, events of
the project a `position` without holes."""

INBOUND = {
    UserEvent.CREATED.value: "A user was created: so is the customer, unless there is one.",
    UserEvent.UPDATED.value: "A user was changed: so is the customer.",
    UserEvent.DELETED.value: "A user was deleted: the customer is erased, here and at Stripe.",
}
"""What follows from each message that Tollgate receives."""


def event_schema(event_type: EventType, schemas: SchemaSet) -> Schema:
    """The schema of a whole event of this type."""
    schemas.ref(EventBody)
    envelope = schemas.schemas["Event"]
    return {
        "type": "object",
        "description": event_type.label,
        "properties": {
            **envelope["properties"],
            "type": {"const": event_type.value},
            "schema": {"const": SCHEMA_VERSION},
            "data": schemas.ref(bodies.body_of(event_type)),
        },
        "required": envelope["required"],
    }


@cache
def json_schema(event_type: EventType) -> Schema:
    """The JSON Schema of one type, with all that it refers to."""
    schemas = SchemaSet()
    schema = event_schema(event_type, schemas)
    del schemas.schemas["Event"]
    return {"$schema": DIALECT, "title": event_type.value, **schema, "$defs": schemas.schemas}


@cache
def asyncapi() -> Schema:
    """The AsyncAPI 3 document: one channel, on which every type is a message."""
    schemas = SchemaSet("#/components/schemas/")
    messages = {
        event_type.value: {
            "name": event_type.value,
            "summary": event_type.label,
            "contentType": "application/json",
            "payload": event_schema(event_type, schemas),
        }
        for event_type in EventType
    }
    del schemas.schemas["Event"]
    inbound = {event.value: inbound_message(event.value, schemas) for event in UserEvent}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tollgate events",
            "version": settings.SPECTACULAR_SETTINGS["VERSION"],
            "description": INTRODUCTION,
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": "/api/v1/events",
                "description": "All events of your project, in order.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            },
            "inbound": {
                "address": "/api/v1/events/inbound/{project_id}",
                "description": "What your auth service tells us about your users, signed as "
                "Standard Webhooks.",
                "parameters": {"project_id": {"description": "The id of your project."}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in inbound},
            },
        },
        "operations": {
            "receiveEvent": {
                "action": "receive",
                "channel": {"$ref": "#/channels/events"},
                "summary": "Read the next events of your project.",
            },
            "sendUserMessage": {
                "action": "send",
                "channel": {"$ref": "#/channels/inbound"},
                "summary": "Tell Tollgate that a user was created, changed or deleted.",
            },
        },
        "components": {"messages": {**messages, **inbound}, "schemas": schemas.schemas},
    }


def inbound_message(message_type: str, schemas: SchemaSet) -> Schema:
    """A message that Tollgate receives. Its schema is the one of all messages about users."""
    return {
        "name": message_type,
        "summary": INBOUND[message_type],
        "contentType": "application/json",
        "payload": {
            "allOf": [
                schemas.ref(UserMessageBody),
                {"properties": {"type": {"const": message_type}}},
            ]
        },
    }


def page() -> str:
    """``docs/events.md``: every type, when it is recorded, and the members of its data."""
    schemas = SchemaSet()
    types = [
        f"| `{event_type.value}` | {event_type.label} | {_link(schemas, event_type)} |"
        for event_type in EventType
    ]
    schemas.ref(EventBody)
    shapes = [_shape(name, schema) for name, schema in sorted(schemas.schemas.items())]
    return "\n".join([HEAD, INTRODUCTION, TABLE, *types, SHAPES, *shapes])


HEAD = """# Events

Generated by `.venv/bin/python manage.py export_events`; do not edit. The same as AsyncAPI 3 is at
`/api/events-schema`, and a JSON Schema of each type at `/api/events-schema/{type}`.
"""
TABLE = """
## Types

| type | when | `data` |
|---|---|---|"""
SHAPES = "\n## Shapes\n"


def _link(schemas: SchemaSet, event_type: EventType) -> str:
    name = schemas.ref(bodies.body_of(event_type))["$ref"].rpartition("/")[2]
    return f"[{name}](#{name.lower()})"


def _shape(name: str, schema: Schema) -> str:
    rows = [
        f"| `{member}` | {_type(each)} | {_cell(each.get('description', ''))} |"
        for member, each in schema["properties"].items()
    ]
    table = "\n".join(["| member | type | |", "|---|---|---|", *rows])
    return f"### {name}\n\n{schema['description']}\n\n{table}\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("format") == "date-time":
        return "time"
    return str(schema.get("type", "any"))


@require_safe
@gzip_page
def document(request: HttpRequest) -> HttpResponse:
    """The AsyncAPI document."""
    return _json(asyncapi())


@require_safe
@gzip_page
def one(request: HttpRequest, event_type: str) -> HttpResponse:
    """The JSON Schema of one type."""
    if event_type not in EventType.values:
        raise Http404
    return _json(json_schema(EventType(event_type)), "application/schema+json")


def _json(body: Any, content_type: str = "application/json") -> HttpResponse:
    return HttpResponse(orjson.dumps(body, option=orjson.OPT_INDENT_2), content_type=content_type)
