"""Entries whose effect has failed: tried again after growing pauses, then parked for an operator.

The later entries of the same lane wait behind it; other lanes go on.
"""

import json
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from common.logs import error_text
from common.retry_pause import RetryPause
from delivery.bus import selectors
from delivery.bus.readers import StreamEntry, StreamMessage, StreamReader
from delivery.errors import NotParked
from delivery.models import HeldEntry
from events.audit import audit_trail as audit

log = structlog.get_logger(__name__)

ATTEMPTS = 5
"""Failures in a row after which an entry is parked."""
PAUSE = RetryPause(first=timedelta(seconds=1), factor=4)
MOST_AT_ONCE = 100
"""Entries that one run tries again."""


class EventDropped(Exception):
    """The log has dropped the event of a held entry."""


def try_effect(reader: StreamReader, message: StreamMessage) -> Exception | None:
    """Apply the message; return the error that has undone its effect."""
    try:
        with transaction.atomic():
            reader.apply(message)
    except Exception as error:  # noqa: BLE001  # stored with the entry; other entries go on
        return error
    return None


def hold(
    reader: StreamReader,
    entry: StreamEntry,
    *,
    message: StreamMessage,
    error: Exception | None,
    at: datetime,
) -> None:
    """Keep an entry that failed with this error; without one, it waits for its lane.

    What can be read again is not stored a second time, so that erasing a person misses nothing.
    """
    row = HeldEntry(
        consumer=reader.consumer,
        stream=reader.stream,
        entry_id=entry.entry_id,
        message_id=message.message_id,
        lane=message.lane,
        fields="" if reader.read_gap else json.dumps(dict(entry.fields)),
        held_at=at,
        next_try_at=at,
    )
    if error is not None:
        _count_failure(row, error, at)
    row.save(force_insert=True)


def retry_due(reader: StreamReader, *, at: datetime) -> int:
    """Try the due entries again, each in a transaction of its own. Returns how many succeeded."""
    done = 0
    for _ in range(MOST_AT_ONCE):
        with transaction.atomic():
            selectors.lock_checkpoint(reader)
            row = selectors.next_held(reader, at=at)
            if row is None:
                break
            done += _retry(reader, row, at)
    return done


def try_again(*, row: HeldEntry, actor: str, reason: str, at: datetime) -> HeldEntry:
    """Let the consumer try this entry at once, parked or not; its failures count anew."""
    with transaction.atomic():
        before = {"failures": row.failures, "error": row.error}
        row.failures, row.parked_at, row.next_try_at = 0, None, at
        row.save(update_fields=["failures", "parked_at", "next_try_at"])
        audit.record(
            actor=actor,
            action="bus.try_again",
            subject=row.message_id[:64],
            reason=reason,
            before={"consumer": row.consumer, **before},
            at=at,
        )
    return row


def discard(*, row: HeldEntry, actor: str, reason: str, at: datetime) -> None:
    """Give a parked entry up: its effect never happens, and those behind it go on. Audited without
    its content. Raises NotParked."""
    with transaction.atomic():
        rows = HeldEntry.objects.filter(pk=row.pk, parked_at__isnull=False)
        if not rows.delete()[0]:
            raise NotParked("Wait until it is parked, or until it succeeds.")
        audit.record(
            actor=actor,
            action="bus.discard",
            subject=row.message_id[:64],
            reason=reason,
            before={
                "consumer": row.consumer,
                "stream": row.stream,
                "entry_id": row.entry_id,
                "failures": row.failures,
                "error": row.error,
            },
            at=at,
        )


def _retry(reader: StreamReader, row: HeldEntry, at: datetime) -> bool:
    try:
        message = reader.message_of(_entry_of(reader, row))
    except Exception as error:  # noqa: BLE001  # as for a new entry
        failure: Exception | None = error
    else:
        failure = try_effect(reader, message)
    if failure is None:
        row.delete()
        return True
    _count_failure(row, failure, at)
    row.save(update_fields=["failures", "error", "next_try_at", "parked_at"])
    return False


def _entry_of(reader: StreamReader, row: HeldEntry) -> StreamEntry:
    if reader.read_gap is None:
        return StreamEntry(row.entry_id, json.loads(row.fields))
    number = StreamEntry(row.entry_id, {}).number
    entries = reader.read_gap(number - 1, number)
    if not entries:
        raise EventDropped("The log no longer has this event.")
    return entries[0]


def _count_failure(row: HeldEntry, error: Exception, at: datetime) -> None:
    row.failures += 1
    row.error = error_text(error)
    row.next_try_at = at + PAUSE.after(failures=row.failures)
    if row.failures >= ATTEMPTS:
        row.parked_at = at
        log.warning("bus_entry_parked", consumer=row.consumer, message=row.message_id)
