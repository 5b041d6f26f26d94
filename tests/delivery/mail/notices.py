"""Events that make messages, and what became of those."""

from datetime import UTC, datetime, timedelta
from typing import Any

from delivery.mail import kinds, mail_settings, planner, sender
from delivery.models import Notification
from events.catalog import EventType
from events.log import outbox, sequencer
from projects.models import Customer, Project

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def turn_on(project: Project, channel: str = "mail", **changes: Any) -> None:
    """The project writes to its people from now on. The first run finds where the log ends."""
    mail_settings.configure(
        project=project, changes={"channel": channel, **changes}, actor="test", at=NOW
    )
    planner.run(at=NOW)


def credits_low(customer: Customer, balance: int = 7, *, at: datetime = NOW) -> str:
    """An event of which the customer is told."""
    event = outbox.record(
        project_id=customer.project_id,
        event_type=EventType.CREDITS_LOW,
        subject=customer.pk,
        customer_id=customer.pk,
        version=1,
        data={
            "user_id": customer.user_id,
            "customer": customer.pk,
            "balance": balance,
            "low_at": 10,
            "topped_up_to": 100,
        },
        at=at,
    )
    sequencer.run()
    return str(event.pk)


def planned(customer: Customer, **settings: Any) -> Notification:
    """A planned message about low credits."""
    turn_on(customer.project, **settings)
    event = credits_low(customer)
    planner.run(at=NOW)
    return Notification.objects.for_project(customer.project).get(source=event)


def send(*, after: timedelta = timedelta()) -> int:
    return sender.run(at=NOW + after)


def state(row: Notification) -> tuple[str, str]:
    """State and reason as they are stored now."""
    row.refresh_from_db()
    return row.state, row.reason


ALL_KINDS = list(kinds.NAMES)
