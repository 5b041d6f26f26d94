"""Record events for tenants, in the same transaction as the change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common import context, traces
from common.erasure import Person
from events.catalog import EventType
from events.log import gathered_events
from events.models import OutboxEvent

BATCH = 500
UNREPORTED = frozenset({"updated_at", "synced_at"})
"""Members that change with every change."""
PERSONAL = frozenset({"name", "locale"})
"""Members of a customer's own events that are blanked when the customer is erased."""
SCHEMA_VERSION = 1
"""Of the shapes that events have now. Members may be added without a new version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One of many events of a type (:func:`record_many`)."""

    subject: str
    data: Mapping[str, object]
    previous: Mapping[str, object] = field(default_factory=dict)
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
    event = _new(
        project_id=project_id,
        event_type=event_type,
        subject=subject,
        customer_id=customer_id,
        version=version,
        data=data,
        previous=previous or {},
        at=at,
    )
    gathered_events.insert([event])
    return event


def record_each(
    event_types: Iterable[EventType], *, subject: str, is_new: bool, **values: Any
) -> None:
    """Record an event of each type about the same change, in this order and in one statement.

    ``is_new``: the change created the subject. The other arguments are those of :func:`record`.
    """
    if is_new:
        gathered_events.note_new(subject)
    gathered_events.insert(
        [_new(event_type=each, subject=subject, **values) for each in event_types]
    )


def record_shown(
    *,
    project_id: str,
    event_type: EventType,
    subject: str,
    data: Mapping[str, object],
    previous: Mapping[str, object],
    at: datetime,
    customer_id: str,
    version: int,
) -> None:
    """Record an event because a subject shows other values, though its own row is as it was.

    Events about the subject that are gathered already (:mod:`events.log.gathered_events`) show them
    instead.
    """
    event = _new(
        project_id=project_id,
        event_type=event_type,
        subject=subject,
        customer_id=customer_id,
        version=version,
        data=data,
        previous=previous,
        at=at,
    )
    if not gathered_events.show_later_state(event):
        gathered_events.insert([event])


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
    events: Iterable[NewEvent],
    at: datetime,
) -> None:
    """Record one event per changed row, in this order and in one statement."""
    gathered_events.insert(
        [
            _new(
                project_id=project_id,
                event_type=event_type,
                subject=event.subject,
                customer_id=event.customer_id,
                version=event.version,
                data=event.data,
                previous=event.previous,
                at=at,
            )
            for event in events
        ]
    )


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


def _new(*, event_type: EventType, at: datetime, **values: Any) -> OutboxEvent:
    """An event that is not stored yet, with what causes the current changes."""
    cause = context.cause.get()
    return OutboxEvent(
        type=EventType(event_type).value,
        occurred_at=at,
        cause_type=cause.type if cause else "",
        cause_id=cause.id if cause else "",
        traceparent=traces.current_header(),
        schema_version=SCHEMA_VERSION,
        **values,
    )


def _blank(state: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if name in PERSONAL else value for name, value in state.items()}
