"""Plan the messages of events: exactly once, in the transaction that moves the outlet's cursor."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import structlog
from django.conf import settings
from django.db import transaction

from delivery.mail import kinds, selectors
from delivery.mail.content import EventFacts
from delivery.mail.kinds import Audience, NotificationKind
from delivery.models import Channel, MailSettings, Notification, Outlet
from delivery.models.notification import OPERATORS
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
        chosen = selectors.active_settings({event.project_id for event in events})
        rows = [each for event in events for each in _plan_event(event, chosen, at)]
        Notification.objects.bulk_create(rows, ignore_conflicts=True)
        outlet.move(row, number=events[-1].number, at=at)
    return len(events)


def _skip(row: Outlet, at: datetime) -> bool:
    """Skip all events if nobody is written to. Their last number is read before the settings:
    no event is skipped that is younger than a project's choice."""
    number = event_log.last_number()
    if settings.MAIL.mail_operators or selectors.has_active_settings():
        return False
    if number > row.number:
        outlet.move(row, number=number, at=at)
    return True


def _plan_event(
    event: LoggedEvent, chosen_by_project: Mapping[str, MailSettings], at: datetime
) -> Iterator[Notification]:
    chosen = chosen_by_project.get(event.project_id)
    for kind in kinds.of_event(event.type):
        is_chosen = chosen is not None and kind.name in chosen.kinds
        tells_operators = kind.tells_operators and settings.MAIL.mail_operators
        if not (is_chosen or tells_operators) or not _is_due(kind, event):
            continue
        if chosen is not None and is_chosen:
            is_for_project = kind.audience is Audience.PROJECT
            recipient = event.project_id if is_for_project else event.customer_id
            yield _plan_for(recipient, kind, chosen.channel, event, at)
        if tells_operators:
            yield _plan_for(OPERATORS, kind, Channel.MAIL, event, at)


def _plan_for(
    recipient: str, kind: NotificationKind, channel: str, event: LoggedEvent, at: datetime
) -> Notification:
    return plan(
        kind=kind,
        project_id=event.project_id,
        channel=channel,
        source=event.pk,
        recipient=recipient,
        subject=event.event.subject,
        occurred_at=event.event.occurred_at,
        at=at,
    )


def plan(
    *,
    kind: NotificationKind,
    project_id: str,
    channel: str,
    source: str,
    recipient: str,
    subject: str,
    occurred_at: datetime,
    at: datetime,
) -> Notification:
    """A planned message that is not stored yet."""
    return Notification(
        project_id=project_id,
        source=source,
        kind=kind.name,
        recipient=recipient,
        subject=subject,
        channel=channel,
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
