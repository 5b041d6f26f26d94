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
from delivery.bus.readers import StreamEntry, StreamMessage, StreamReader, first_part, place_of
from delivery.models import InboxEntry

log = structlog.get_logger(__name__)

KEPT = timedelta(days=90)
"""Longer than the log keeps an event and can repeat it after a refill, at most 62 days."""


def accept(reader: StreamReader, entry: StreamEntry, *, at: datetime) -> None:
    """Deal with the entry, and before that with those that are missing in front of it."""
    after = _accept_next(reader, entry, at)
    if after is not None:
        _fill_gap(reader, after=after, until=entry.number - 1, at=at)
        _accept_next(reader, entry, at, with_gap=True)


def purge(*, at: datetime) -> int:
    """Delete rows of messages that nobody can send again. Returns how many."""
    return InboxEntry.objects.filter(accepted_at__lt=at - KEPT).delete()[0]


def _fill_gap(reader: StreamReader, *, after: int, until: int, at: datetime) -> None:
    assert reader.read_gap is not None
    while after < until:
        entries = reader.read_gap(after, until)
        if not entries:
            log.warning("bus_gap", consumer=reader.consumer, after=after, until=until)
            return
        for entry in entries:
            _accept_next(reader, entry, at, with_gap=True)
        after = entries[-1].number


def _accept_next(
    reader: StreamReader, entry: StreamEntry, at: datetime, *, with_gap: bool = False
) -> int | None:
    """Deal with the entry unless that is done. If entries are missing in front of it, only return
    the number of the last one before them; ``with_gap`` passes over them."""
    with transaction.atomic():
        checkpoint = selectors.lock_checkpoint(reader)
        last = first_part(checkpoint.entry_id)
        if reader.read_gap is not None and entry.number <= last:
            return None
        if reader.read_gap is not None and entry.number > last + 1 and not with_gap:
            return last
        _apply_once(reader, entry, at)
        if entry.place > place_of(checkpoint.entry_id):
            checkpoint.entry_id = entry.entry_id
        checkpoint.moved_at = at
        checkpoint.save(update_fields=["entry_id", "moved_at"])
    return None


def _apply_once(reader: StreamReader, entry: StreamEntry, at: datetime) -> None:
    message, error = _parse(reader, entry)
    if not _enter(reader, message, at):
        return
    is_waiting = selectors.is_lane_held(reader.consumer, message.lane)
    if not is_waiting and error is None:
        error = held_entries.try_effect(reader, message)
    if is_waiting or error is not None:
        held_entries.hold(reader, entry, message=message, error=error, at=at)


def _parse(reader: StreamReader, entry: StreamEntry) -> tuple[StreamMessage, Exception | None]:
    """The message; for an entry that is none, a stand-in and the error."""
    try:
        return reader.message_of(entry), None
    except Exception as error:  # noqa: BLE001  # whatever a sender has written
        message_id = f"{entry.entry_id} of {reader.stream}"
        return StreamMessage(message_id, lane="", content=None), error


def _enter(reader: StreamReader, message: StreamMessage, at: datetime) -> bool:
    """Remember the message; False if it was accepted before."""
    row = InboxEntry(consumer=reader.consumer, message_id=message.message_id, accepted_at=at)
    return inserts.insert(row)
