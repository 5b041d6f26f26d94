"""Deal with an entry exactly once and in order: effect, inbox row and checkpoint commit together.

The checkpoint's row is locked meanwhile, so the processes of a consumer take turns. An entry that
is not the next one comes after those in between, which are read from the log: what was trimmed, was
lost with the server, or was given to another process that hangs. Who gets them later finds them
done.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from common import inserts
from delivery.bus import held_entries, selectors
from delivery.bus.subscriptions import StreamEntry, StreamMessage, Subscription, first_part
from delivery.models import InboxEntry

log = structlog.get_logger(__name__)

KEPT = timedelta(days=90)
"""Longer than the log keeps an event and can repeat it after a refill, at most 62 days."""


def accept(subscription: Subscription, entry: StreamEntry, *, at: datetime) -> None:
    """Deal with the entry, and before that with those that are missing in front of it."""
    if subscription.read_gap is not None:
        _fill_gap(subscription, until=entry.number - 1, at=at)
    _accept_one(subscription, entry, at)


def purge(*, at: datetime) -> int:
    """Delete rows of messages that nobody can send again. Returns how many."""
    return InboxEntry.objects.filter(accepted_at__lt=at - KEPT).delete()[0]


def _fill_gap(subscription: Subscription, *, until: int, at: datetime) -> None:
    assert subscription.read_gap is not None
    after = first_part(selectors.checkpoint(subscription).entry_id)
    while after < until:
        entries = subscription.read_gap(after, until)
        if not entries:
            log.warning("bus_gap", consumer=subscription.consumer, after=after, until=until)
            return
        for entry in entries:
            _accept_one(subscription, entry, at)
        after = entries[-1].number


def _accept_one(subscription: Subscription, entry: StreamEntry, at: datetime) -> None:
    with transaction.atomic():
        checkpoint = selectors.lock_checkpoint(subscription)
        if subscription.read_gap is not None and entry.number <= first_part(checkpoint.entry_id):
            return
        _apply_once(subscription, entry, at)
        checkpoint.entry_id, checkpoint.moved_at = entry.entry_id, at
        checkpoint.save(update_fields=["entry_id", "moved_at"])


def _apply_once(subscription: Subscription, entry: StreamEntry, at: datetime) -> None:
    message, error = _parse(subscription, entry)
    if not _enter(subscription, message, at):
        return
    is_waiting = selectors.is_lane_held(subscription.consumer, message.lane)
    if not is_waiting and error is None:
        error = held_entries.try_effect(subscription, message)
    if is_waiting or error is not None:
        held_entries.hold(subscription, entry, message, error=error, at=at)


def _parse(
    subscription: Subscription, entry: StreamEntry
) -> tuple[StreamMessage, Exception | None]:
    """The message; for an entry that is none, a stand-in and the error."""
    try:
        return subscription.parse(entry), None
    except Exception as error:  # noqa: BLE001  # whatever a sender has written
        message_id = f"{entry.entry_id} of {subscription.stream}"
        return StreamMessage(message_id, lane="", content=None), error


def _enter(subscription: Subscription, message: StreamMessage, at: datetime) -> bool:
    """Remember the message; False if it was accepted before."""
    row = InboxEntry(consumer=subscription.consumer, message_id=message.message_id, accepted_at=at)
    return inserts.insert(row)
