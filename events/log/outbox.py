"""Record events for tenants, in the same transaction as the change."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.erasure import Person
from events.catalog import EventType
from events.models import OutboxEvent

BATCH = 500


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
    return OutboxEvent.objects.create(
        project_id=project_id,
        type=EventType(event_type).value,
        subject=subject,
        customer_id=customer_id,
        version=version,
        data=data,
        previous=previous or {},
        occurred_at=at,
    )


def record_many(
    *,
    project_id: str,
    event_type: EventType,
    data: Mapping[str, Mapping[str, object]],
    at: datetime,
) -> None:
    """Record one event per new customer; ``data`` maps customer ids to their states, in this
    order."""
    OutboxEvent.objects.bulk_create(
        OutboxEvent(
            project_id=project_id,
            type=EventType(event_type).value,
            subject=customer_id,
            customer_id=customer_id,
            data=state,
            occurred_at=at,
        )
        for customer_id, state in data.items()
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


def _blank(state: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if name == "name" else value for name, value in state.items()}
