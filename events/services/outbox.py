"""Tell the world, by writing a row in the same transaction as the change."""

from datetime import datetime
from typing import Any

from events.catalog import EventType
from events.models import OutboxEvent


def record(
    *,
    project_id: str,
    type: EventType,
    subject: str,
    data: dict[str, Any],
    at: datetime,
    customer_id: str = "",
    version: int = 0,
    previous: dict[str, Any] | None = None,
) -> OutboxEvent:
    """Promise that this event will be told, exactly if the current transaction commits.

    ``data`` is the full new state, ``previous`` the old values of what changed.
    """
    return OutboxEvent.objects.create(
        project_id=project_id,
        type=EventType(type).value,
        subject=subject,
        customer_id=customer_id,
        version=version,
        data=data,
        previous=previous or {},
        occurred_at=at,
    )
