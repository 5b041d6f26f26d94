"""Record events for tenants, in the same transaction as the change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common import context
from common.erasure import Person
from events.catalog import EventType
from events.models import OutboxEvent

BATCH = 500
UNREPORTED = frozenset({"updated_at", "synced_at"})
"""Members that change with every change."""
SCHEMA_VERSION = 1
"""Of the shapes that events have now. Members may be added without a new version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One of many events of a type (:func:`record_each`)."""

    subject: str
    data: Mapping[str, object]
    previous: Mapping[str, object]
    customer_id: str = ""
    version: int = 0


def record(
    *,
    project_id: str,
    event_type: EventType,
    subject: str,
    data: Mapping[str, object],
    at: datetime,
    customer_id: str = "",
    version: int = 0,
    previous: Mapping[str, object] | None = None,
) -> OutboxEvent:
    """Record an event, which will be delivered if and only if the current transaction commits.

    ``data`` is the complete new state, ``previous`` the old values of what changed.
    """
    event = _new(project_id, event_type, at)
    event.subject, event.customer_id, event.version = subject, customer_id, version
    event.data, event.previous = data, previous or {}
    event.save(force_insert=True)
    return event


def previous_values(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """The old values of the members that differ now, for ``previous``."""
    return {
        name: before[name]
        for name in before.keys() & after.keys()
        if name not in UNREPORTED and before[name] != after[name]
    }


def record_many(
    *,
    project_id: str,
    event_type: EventType,
    data: Mapping[str, Mapping[str, object]],
    at: datetime,
) -> None:
    """Record one event per new customer; ``data`` maps customer ids to their states, in this
    order."""
    events = []
    for customer_id, state in data.items():
        event = _new(project_id, event_type, at)
        event.subject = event.customer_id = customer_id
        event.data = state
        events.append(event)
    OutboxEvent.objects.bulk_create(events)


def record_each(
    *,
    project_id: str,
    event_type: EventType,
    events: Iterable[NewEvent],
    at: datetime,
) -> None:
    """Record one event per changed row, in this order and in one statement."""
    rows = []
    for each in events:
        event = _new(project_id=project_id, event_type=event_type, at=at)
        event.subject, event.data, event.previous = each.subject, each.data, each.previous
        event.customer_id, event.version = each.customer_id, each.version
        rows.append(event)
    OutboxEvent.objects.bulk_create(rows)


def forget(*, project_id: str, customer_id: str, person: Person) -> None:
    """Erase a person from the events about a customer."""
    rows = OutboxEvent.objects.for_project(project_id).filter(customer_id=customer_id)
    for row in rows.iterator(chunk_size=BATCH):
        row.data = person.without(row.data)
        row.previous = person.without(row.previous)
        if row.subject == customer_id:
            row.data = _blank(row.data)
            row.previous = _blank(row.previous)
        row.save(update_fields=["data", "previous"])


def _new(project_id: str, event_type: EventType, at: datetime) -> OutboxEvent:
    """An event that is not stored yet, with what causes the current changes."""
    cause = context.cause.get()
    return OutboxEvent(
        project_id=project_id,
        type=EventType(event_type).value,
        occurred_at=at,
        cause_type=cause.type if cause else "",
        cause_id=cause.id if cause else "",
        schema_version=SCHEMA_VERSION,
    )


def _blank(state: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if name == "name" else value for name, value in state.items()}
