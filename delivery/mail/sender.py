"""Send what is due, each message at most once.

``sending`` is committed before content leaves. So a process that dies before has sent nothing, and
another one sends; one that dies later leaves ``unknown``, which only a person sends again.
"""

import time
from datetime import datetime

import structlog
from django.conf import settings

from common import fair_queue
from common.fair_queue import RetryRule
from common.models import BackOff
from delivery.mail import (
    addresses,
    hermes,
    kinds,
    lease,
    mail_settings,
    mails,
    people,
    selectors,
    suppressions,
)
from delivery.mail.content import Content, EventFacts, NotificationFacts, Overtaken
from delivery.mail.kinds import NotificationKind
from delivery.mail.mailbox import Mailbox
from delivery.mail.outcomes import (
    ChannelDown,
    NotificationTaken,
    Outcome,
    Refused,
    Sent,
    TryLater,
    Unknown,
)
from delivery.models import (
    Channel,
    MailSettings,
    Notification,
    NotificationState,
    SuppressionReason,
)
from delivery.models.notification import OPERATORS
from events.log import selectors as event_log
from projects.models import Project

log = structlog.get_logger(__name__)

BATCH = 100
RUN_SECONDS = 20.0
"""After which a run takes no further message; the next one goes on."""
RULE = RetryRule(queue="mail")
"""The back-off of a whole channel, when its server takes nothing at all."""
OWNER = "platform"


def run(*, at: datetime) -> int:
    """Send due messages, round robin by project. Returns how many were sent."""
    for row in selectors.in_flight_before(at):
        lease.recover(row, at=at)
        log.warning("notification_unknown", notification=row.pk, project=row.project_id)
    rows = selectors.due(at=at, limit=BATCH)
    if not rows:
        return 0
    deadline, count = time.monotonic() + RUN_SECONDS, 0
    down = _channels_backing_off() | mail_settings.unavailable_channels()
    failing = _failing_channels()
    with Mailbox() as mailbox:
        for row in rows:
            if time.monotonic() > deadline:
                break
            if row.channel in down or not lease.claim(row, at=at):
                continue
            if _send_or_stop(row, mailbox, down, at):
                count += 1
                if row.channel in failing:
                    fair_queue.record_success(RULE, owner=OWNER, subjects=[row.channel])
    return count


def _send_or_stop(row: Notification, mailbox: Mailbox, down: set[str], at: datetime) -> bool:
    """Send a claimed message. Returns whether it was sent. After an error that the next messages
    would meet, too, the channel is added to ``down``."""
    try:
        outcome = _send(row, mailbox, at)
    except ChannelDown as error:
        lease.release(row)
        _stop_channel(row.channel, error, down)
        return False
    if isinstance(outcome, Unknown):
        _stop_channel(row.channel, ChannelDown(outcome.reason), down)
    return isinstance(outcome, Sent)


def _stop_channel(channel: str, error: ChannelDown, down: set[str]) -> None:
    """Send nothing more through this channel until its back-off is over."""
    down.add(channel)
    fair_queue.record_failure(RULE, owner=OWNER, subject=channel, error=error)


def _send(row: Notification, mailbox: Mailbox, at: datetime) -> Outcome | None:
    """Send a claimed message. Returns None if nothing was tried. Raises ChannelDown."""
    try:
        outcome = _attempt(row, mailbox, at)
    except Overtaken as reason:
        lease.suppress(row, reason=reason.code)
        return None
    except NotificationTaken:
        return None
    except ChannelDown:
        raise
    except Exception as error:  # noqa: BLE001  # one message's trouble must not stop the others
        log.warning("notification_failed", notification=row.pk, error=type(error).__name__)
        has_begun = row.state == NotificationState.SENDING
        name = type(error).__name__
        outcome = Unknown(name) if has_begun else TryLater(name)
    lease.record(row, outcome, at=at)
    if isinstance(outcome, Refused) and outcome.has_bounced:
        suppressions.record(row, reason=SuppressionReason.BOUNCED, at=at)
    return outcome


def _attempt(row: Notification, mailbox: Mailbox, at: datetime) -> Outcome:
    """Raises Overtaken if it must not be sent, NotificationTaken and ChannelDown."""
    if at >= row.useless_at:
        raise Overtaken("too_late")
    kind = kinds.BY_NAME.get(row.kind)
    chosen = selectors.settings_of(row.project_id)
    if kind is None or not _is_switched_on(row, chosen):
        raise Overtaken("switched_off")
    person = people.find(row, kind)
    row.address_digest = addresses.digest(person.address)
    content = build_content(row, kind, at=at)
    project = Project.objects.get(pk=row.project_id)
    if row.channel == Channel.HERMES:
        body = hermes.encode(
            row, content=content, person=person, mail_settings=chosen, project=project
        )
        lease.begin_sending(row, address_digest=row.address_digest, at=at)
        return hermes.send(body, key=row.pk, at=at)
    mail = mails.build(
        row,
        kind=kind,
        content=content,
        person=person,
        mail_settings=chosen,
        project=project,
    )
    return mailbox.send(
        mail,
        before_send=lambda: lease.begin_sending(row, address_digest=row.address_digest, at=at),
    )


def _is_switched_on(row: Notification, chosen: MailSettings) -> bool:
    """Whether the project still wants the message; what operators are told, no project decides."""
    if row.recipient == OPERATORS:
        return bool(settings.MAIL.mail_operators)
    return chosen.channel == row.channel and row.kind in chosen.kinds


def build_content(row: Notification, kind: NotificationKind, *, at: datetime) -> Content:
    """What the message says now. Raises Overtaken."""
    logged = event_log.find(project_id=row.project_id, event_id=row.source)
    event = logged.event if logged else None
    facts = NotificationFacts(
        project_id=row.project_id,
        subject=row.subject,
        source=row.source,
        event=EventFacts(event.subject, event.data, event.previous) if event else None,
        at=at,
    )
    return kind.build(facts)


def _channels_backing_off() -> set[str]:
    rows = BackOff.objects.filter(fair_queue.IS_BACKING_OFF, queue=RULE.queue, owner=OWNER)
    return set(rows.values_list("subject", flat=True))


def _failing_channels() -> set[str]:
    """Channels that failed at their last try, whether they wait or are due again."""
    rows = BackOff.objects.filter(queue=RULE.queue, owner=OWNER)
    return set(rows.values_list("subject", flat=True))
