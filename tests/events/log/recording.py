"""Record events, and read the places that they got."""

from datetime import UTC, datetime, timedelta

from common import ids
from events.catalog import EventType
from events.log import outbox
from events.models import LoggedEvent, OutboxEvent
from projects.models import Project

STATE = {
    "id": "cus_1",
    "user_id": "u1",
    "email": "",
    "name": "Ada",
    "locale": "",
    "metadata": {},
    "version": 1,
    "created_at": "2026-11-21T09:30:00Z",
    "updated_at": "2026-11-21T09:30:00Z",
}
"""Data of an event about a customer."""
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def record(project: Project, customer: str = "", version: int = 0) -> str:
    event = outbox.record(
        project_id=project.pk,
        event_type=EventType.CUSTOMER_UPDATED,
        subject=customer or "row",
        customer_id=customer,
        version=version,
        data=STATE,
        at=NOW,
    )
    return str(event.pk)


def record_at(project: Project, *, second: int) -> str:
    """Record an event whose id says this second after NOW; ids of a process never go back in time,
    whatever its clock says."""
    event = OutboxEvent(
        id=ids.first_id("evt", NOW + timedelta(seconds=second)),
        project_id=project.pk,
        type=EventType.CUSTOMER_UPDATED.value,
        subject="cus_1",
        customer_id="cus_1",
        version=second,
        data=STATE,
        previous={},
        occurred_at=NOW,
    )
    event.save(force_insert=True)
    return str(event.pk)


def entries(project: Project) -> list[LoggedEvent]:
    return list(
        LoggedEvent.objects.for_project(project).select_related("event").order_by("position")
    )


def places(project: Project) -> list[tuple[str, int, int, int]]:
    return [(each.event_id, each.position, each.sequence, each.number) for each in entries(project)]
