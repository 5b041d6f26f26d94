"""The states of a notification, and who may move it: the process that has its lease."""

from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from django.db.models import F

from common.models import ProjectQuerySet
from common.retry_pause import RetryPause
from delivery.mail import hermes
from delivery.mail.outcomes import NotificationTaken, Outcome, Refused, Sent, TryLater, Unknown
from delivery.models import Channel, Notification, NotificationState

LEASE = timedelta(minutes=5)
"""Longer than any attempt to send takes."""
PAUSE = RetryPause(
    first=timedelta(minutes=1), factor=3, longest=timedelta(hours=4), jitter=(1.0, 1.25)
)


def claim(row: Notification, *, at: datetime) -> bool:
    """Take the lease of a planned notification. False if another process has been faster."""
    lease = token_hex(16)
    rows = Notification.objects.for_project(row.project_id).filter(
        pk=row.pk, state=NotificationState.PLANNED, lease=row.lease, due_at=row.due_at
    )
    if not rows.update(lease=lease, leased_until=at + LEASE):
        return False
    row.lease = lease
    return True


def begin_sending(row: Notification, *, address_digest: str, at: datetime) -> None:
    """Commit that content is about to leave for this address. Raises NotificationTaken."""
    if (
        not _leased(row)
        .filter(state=NotificationState.PLANNED)
        .update(
            state=NotificationState.SENDING,
            attempts=F("attempts") + 1,
            address_digest=address_digest,
            tried_at=row.tried_at or at,
        )
    ):
        raise NotificationTaken
    row.state, row.address_digest = NotificationState.SENDING, address_digest
    row.tried_at, row.attempts = row.tried_at or at, row.attempts + 1


def release(row: Notification) -> None:
    """Give the lease back: nothing has happened."""
    _leased(row).filter(state__in=[NotificationState.PLANNED, NotificationState.SENDING]).update(
        state=NotificationState.PLANNED, leased_until=None
    )


def suppress(row: Notification, *, reason: str) -> None:
    """It is not sent, for this reason."""
    _finish(row, NotificationState.SUPPRESSED, reason)


def record(row: Notification, outcome: Outcome, *, at: datetime) -> None:
    """Store what became of the attempt. A result that comes after the lease has ended counts, too,
    unless another process has the notification by now."""
    match outcome:
        case Sent(provider_id):
            _finish(row, NotificationState.SENT, "", provider_id=provider_id, sent_at=at)
        case Refused(reason):
            _finish(row, NotificationState.REFUSED, reason)
        case Unknown(reason):
            _finish(row, NotificationState.UNKNOWN, reason)
        case TryLater(reason, at_least):
            _plan_again(row, reason, at_least, at)


def _plan_again(row: Notification, reason: str, at_least: timedelta, at: datetime) -> None:
    """After a growing pause, unless the message is useless then, or Hermes has forgotten the key
    that makes a repetition safe."""
    attempts = row.attempts + (row.state == NotificationState.PLANNED)
    due_at = at + PAUSE.after(failures=attempts, at_least=at_least)
    if row.channel == Channel.HERMES and row.tried_at and due_at > row.tried_at + hermes.KEPT:
        _finish(row, NotificationState.UNKNOWN, reason)
    elif due_at > row.useless_at:
        _finish(row, NotificationState.REFUSED, reason)
    else:
        _leased(row).update(
            state=NotificationState.PLANNED,
            reason=reason[:64],
            due_at=due_at,
            attempts=attempts,
            leased_until=None,
        )


def recover(row: Notification, *, at: datetime) -> None:
    """The process that sent it wrote no result. Hermes may be asked again with the same key; of a
    mail nobody knows."""
    is_repeatable = row.channel == Channel.HERMES and (
        row.tried_at is not None and at < row.tried_at + hermes.KEPT
    )
    rows = _leased(row).filter(state=NotificationState.SENDING, leased_until__lte=at)
    if is_repeatable:
        rows.update(state=NotificationState.PLANNED, due_at=at, leased_until=None)
    else:
        rows.update(state=NotificationState.UNKNOWN, reason="process_ended", leased_until=None)


def _finish(row: Notification, state: NotificationState, reason: str, **values: Any) -> None:
    _leased(row).update(state=state, reason=reason[:64], leased_until=None, **values)


def _leased(row: Notification) -> ProjectQuerySet[Notification]:
    """The row as long as nobody else has taken its lease."""
    return Notification.objects.for_project(row.project_id).filter(pk=row.pk, lease=row.lease)
