"""Plan the messages of events: exactly once, in the transaction that moves the outlet's cursor."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import structlog
from django.db import transaction

from delivery.mail import kinds, selectors
from delivery.mail.content import EventFacts
from delivery.mail.kinds import Audience, NotificationKind
from delivery.models import MailSettings, Notification, Outlet
from delivery.outlets import outlet
from delivery.outlets.outlet import Start
from events.log import selectors as event_log
from events.models import LoggedEvent

log = structlog.get_logger(__name__)

OUTLET = "mail"
BATCH = 500
MAX_BATCHES = 20
"""Batches of one run, so that it ends in time; the next run goes on."""


def run(*, at: datetime) -> int:
    """Plan the messages of the next events of all projects. Returns how many events were read."""
    count = 0
    for _ in range(MAX_BATCHES):
        events = _run_batch(at)
        count += events
        if events < BATCH:
            break
    return count


def _run_batch(at: datetime) -> int:
    with transaction.atomic():
        row = outlet.lock(OUTLET, start=Start.NEXT)
        if row is None or _skip(row, at):
            return 0
        events = outlet.take(row, limit=BATCH)
        if not events:
            return 0
        settings = selectors.active_settings({event.project_id for event in events})
        rows = [each for event in events for each in _plan_event(event, settings, at)]
        Notification.objects.bulk_create(rows, ignore_conflicts=True)
        outlet.move(row, number=events[-1].number, at=at)
    return len(events)


def _skip(row: Outlet, at: datetime) -> bool:
    """Skip all events if no project sends anything. Their last number is read before the settings:
    no event is skipped that is younger than a project's choice."""
    number = event_log.last_number()
    if selectors.has_active_settings():
        return False
    if number > row.number:
        outlet.move(row, number=number, at=at)
    return True


def _plan_event(
    event: LoggedEvent, settings: Mapping[str, MailSettings], at: datetime
) -> Iterator[Notification]:
    chosen = settings.get(event.project_id)
    if chosen is None:
        return
    for kind in kinds.of_event(event.type):
        if kind.name in chosen.kinds and _is_due(kind, event):
            yield plan(
                kind=kind,
                settings=chosen,
                source=event.pk,
                customer_id=event.customer_id,
                subject=event.event.subject,
                occurred_at=event.event.occurred_at,
                at=at,
            )


def plan(
    *,
    kind: NotificationKind,
    settings: MailSettings,
    source: str,
    customer_id: str,
    subject: str,
    occurred_at: datetime,
    at: datetime,
) -> Notification:
    """A planned message that is not stored yet."""
    is_for_project = kind.audience is Audience.PROJECT
    return Notification(
        project_id=settings.project_id,
        source=source,
        kind=kind.name,
        recipient=settings.project_id if is_for_project else customer_id,
        subject=subject,
        channel=settings.channel,
        due_at=occurred_at + kind.delay,
        useless_at=occurred_at + kind.useful_for,
        created_at=at,
    )


def _is_due(kind: NotificationKind, event: LoggedEvent) -> bool:
    """Whether the event makes this message. One whose body we cannot read makes none: it must not
    stop the messages of all others."""
    recorded = event.event
    if kind.audience is Audience.CUSTOMER and not event.customer_id:
        return False
    try:
        return kind.is_due(EventFacts(recorded.subject, recorded.data, recorded.previous))
    except (KeyError, TypeError, ValueError) as error:
        log.warning(
            "mail_event_skipped", event_id=event.pk, kind=kind.name, error=type(error).__name__
        )
        return False
