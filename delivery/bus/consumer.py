"""One round of a consumer: what was left, what others have left, what is new.

Call :func:`run` again and again, in any number of processes: a chore of the workers does. Whatever
happens to the bus, the consumer goes on behind its checkpoint, which is in our database.

::

    READER = readers.of_log("search", apply=update_index)
    consumer.run(READER, url=settings.BUS.url, at=timezone.now())
"""

import time
from collections.abc import Sequence
from datetime import datetime

from delivery.bus import held_entries, inbox, selectors
from delivery.bus.readers import StreamEntry, StreamReader
from delivery.bus.stream_group import GroupMissing, StreamGroup
from delivery.models import BusCheckpoint

CLEANING_SECONDS = 60.0
"""Time between two looks for processes that are gone."""

_cleaned_at: dict[tuple[str, str], float] = {}


def run(reader: StreamReader, *, url: str, at: datetime, is_blocking: bool = True) -> int:
    """Deal with the entries that are due. Returns how many entries the stream has given.

    Waits up to two seconds for the first one if ``is_blocking``. Raises BusUnavailable; what was
    dealt with before stays so.
    """
    held_entries.retry_due(reader, at=at)
    group = StreamGroup(url, reader)
    try:
        return _read(reader, group, at, is_blocking=is_blocking)
    finally:
        group.close()


def _read(reader: StreamReader, group: StreamGroup, at: datetime, *, is_blocking: bool) -> int:
    if not _follow_epoch(reader, group):
        return 0
    try:
        left = [*group.own_pending(), *group.take_over()]
        entries = left or group.new(is_blocking=is_blocking)
        batch = _with_missing(reader, group, entries)
        _remove_stale(reader, group)
    except GroupMissing:
        group.begin_after(selectors.checkpoint(reader).entry_id)
        return 0
    _accept_all(reader, group, batch, at)
    return len(entries)


def _with_missing(
    reader: StreamReader, group: StreamGroup, entries: Sequence[StreamEntry]
) -> Sequence[StreamEntry]:
    """The entries and, in their order, those between the checkpoint and the last of them: another
    process was given these, and hangs or is dead. What the log has is read from there later."""
    if reader.read_gap is not None or not entries:
        return entries
    after = selectors.checkpoint(reader).entry_id
    last = max(entries, key=lambda entry: entry.place)
    by_place = {entry.place: entry for entry in group.between(after, last.entry_id)}
    by_place |= {entry.place: entry for entry in entries}
    return [by_place[place] for place in sorted(by_place)]


def _accept_all(
    reader: StreamReader, group: StreamGroup, entries: Sequence[StreamEntry], at: datetime
) -> None:
    """Each in a transaction of its own; acknowledge those that are dealt with, even if one of them
    could not be because of the database."""
    accepted: list[StreamEntry] = []
    try:
        for entry in entries:
            inbox.accept(reader, entry, at=at)
            accepted.append(entry)
    finally:
        group.acknowledge(accepted)


def _follow_epoch(reader: StreamReader, group: StreamGroup) -> bool:
    """Whether the stream can be read. One that was written anew is read from the checkpoint."""
    epoch = group.epoch()
    if epoch is None:
        return False
    checkpoint = selectors.checkpoint(reader)
    if checkpoint.epoch != epoch:
        group.begin_after(checkpoint.entry_id)
        BusCheckpoint.objects.filter(pk=checkpoint.pk).update(epoch=epoch)
    return True


def _remove_stale(reader: StreamReader, group: StreamGroup) -> None:
    key = (reader.consumer, reader.stream)
    if time.monotonic() - _cleaned_at.get(key, 0.0) >= CLEANING_SECONDS:
        _cleaned_at[key] = time.monotonic()
        group.remove_stale()
