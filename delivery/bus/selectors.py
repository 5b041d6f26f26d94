"""Reads of the relay and of consumers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from common.fair_queue import IS_BACKING_OFF
from common.models import BackOff
from common.prepared_queries import Parameter, PreparedQuery, PreparedValues
from common.row_counts import CountedRows
from delivery.bus.readers import StreamReader
from delivery.models import BusCheckpoint, HeldEntry, Outlet
from events.log.selectors import HEAD
from events.models import LogHead

QUEUE = "bus"
"""Of the back-off of a bus that is away; its owner is the outlet."""


@dataclass(frozen=True, slots=True)
class RelayState:
    """Whether there are events to publish, and whether the outlet waits after a failure."""

    has_events: bool
    is_waiting: bool


def _states() -> QuerySet[Any, Any]:
    cursor = Outlet.objects.filter(pk=Parameter("name")).values("number")
    failures = BackOff.objects.filter(IS_BACKING_OFF, queue=QUEUE, owner=Parameter("name"))
    return (
        LogHead.objects.filter(pk=HEAD)
        .annotate(
            cursor=Coalesce(Subquery(cursor), Value(0), output_field=BigIntegerField()),
            is_waiting=Exists(failures),
        )
        .values_list("number", "cursor", "is_waiting")
    )


def lock_checkpoint_query() -> QuerySet[BusCheckpoint]:
    return BusCheckpoint.objects.select_for_update().filter(
        consumer=Parameter("consumer"), stream=Parameter("stream")
    )


_STATE = PreparedValues(_states)
_LOCKED_CHECKPOINT = PreparedQuery(lock_checkpoint_query)
_FIRST_OF_LANE = PreparedValues(
    lambda: HeldEntry.objects.filter(
        consumer=Parameter("consumer"), lane=Parameter("lane")
    ).values_list("pk")[:1]
)


def relay_state(name: str) -> RelayState | None:
    """What the relay of this outlet has to do; None while the log is empty."""
    rows = _STATE.rows(name=name)
    if not rows:
        return None
    number, cursor, is_waiting = rows[0]
    return RelayState(has_events=number > cursor, is_waiting=is_waiting)


def has_failed(name: str) -> bool:
    """Whether the outlet's last run before this one failed."""
    return BackOff.objects.filter(queue=QUEUE, owner=name).exists()


def checkpoint(reader: StreamReader) -> BusCheckpoint:
    """How far the consumer has read. Creates the row of a new one, which begins at the start of
    the stream."""
    return BusCheckpoint.objects.get_or_create(consumer=reader.consumer, stream=reader.stream)[0]


def lock_checkpoint(reader: StreamReader) -> BusCheckpoint:
    """The same, locked: entries of a consumer are dealt with one after the other."""
    key = {"consumer": reader.consumer, "stream": reader.stream}
    row = _LOCKED_CHECKPOINT.first(**key)
    if row is None:
        checkpoint(reader)
        row = _LOCKED_CHECKPOINT.first(**key)
    assert row is not None
    return row


def is_lane_held(consumer: str, lane: str) -> bool:
    """Whether an earlier entry of this lane is held."""
    return lane != "" and bool(_FIRST_OF_LANE.rows(consumer=consumer, lane=lane))


def next_held(reader: StreamReader, *, at: datetime) -> HeldEntry | None:
    """The entry to be tried again that is first in its lane, not parked, and due."""
    earlier = HeldEntry.objects.filter(
        consumer=OuterRef("consumer"), lane=OuterRef("lane"), pk__lt=OuterRef("pk")
    ).exclude(lane="")
    rows = HeldEntry.objects.filter(
        ~Exists(earlier),
        consumer=reader.consumer,
        stream=reader.stream,
        parked_at__isnull=True,
        next_try_at__lte=at,
    )
    return rows.order_by("next_try_at", "pk").first()


def waiting_rows() -> dict[str, CountedRows]:
    """Entries that wait for an operator."""
    return {"parked_entries": CountedRows(HeldEntry.objects.filter(parked_at__isnull=False))}
