"""Compares every event that any test records, or reads, with the JSON Schema of its type.

Stricter than the published schemas: an object has no members but the declared ones.
"""

import copy
from functools import cache
from typing import Any

from django.db.models.signals import post_init
from jsonschema_rs import Draft202012Validator

from config import event_docs
from events.catalog import EventType
from events.models import OutboxEvent


class UndocumentedEvent(AssertionError):
    """An event whose data is not what its schema says."""


def watch() -> None:
    """Check events from now on, when their objects are made. An event that does not fit raises
    UndocumentedEvent there."""
    post_init.connect(_check, sender=OutboxEvent, dispatch_uid="contract")


def _check(instance: OutboxEvent, **_: Any) -> None:
    if instance.get_deferred_fields() & {"type", "data"}:
        return
    validator = _validator(EventType(instance.type))
    faults = [
        f"/{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator.iter_errors(instance.data)
    ]
    if faults:
        raise UndocumentedEvent("\n".join([f"{instance.type}:", *faults]))


@cache
def _validator(event_type: EventType) -> Draft202012Validator:
    schema = copy.deepcopy(event_docs.json_schema(event_type))
    closed = [_closed(each) for each in schema["$defs"].values()]
    assert closed
    root = {"$defs": schema["$defs"], **schema["properties"]["data"]}
    return Draft202012Validator(root, validate_formats=True)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    schema["additionalProperties"] = False
    return schema
