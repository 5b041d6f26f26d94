"""Keep totals and counters in the transaction that stores the records.

All writers lock in one order: write locks of the customers, counters, record keys, totals,
movements; rows of one kind in the order of their keys. Counters are locked by a statement of their
own, so that a later statement reads their current values.

Rows are raised by the thousand with ``ON CONFLICT`` and joins to arrays, which the ORM cannot
express; the SQL is constant.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from common import binary_arrays, prepared_statements
from common.binary_arrays import BinaryArray
from common.queue import enqueue
from usage.models import Meter
from usage.models.meter import Aggregation
from usage.totals.aggregation import TotalChanges, TotalKey
from usage.totals.selectors import totals
from usage.totals.selectors.totals import Span

LOCK = """
SELECT counter.customer_id, counter.meter_id, counter.period, counter.starts_at, counter.ends_at
FROM unnest(%(customers)s::text[], %(meters)s::text[]) AS pair (customer_id, meter_id)
JOIN usage_counter AS counter
    ON counter.project_id = %(project)s AND counter.customer_id = pair.customer_id
    AND counter.meter_id = pair.meter_id
ORDER BY counter.customer_id, counter.meter_id, counter.period
FOR UPDATE OF counter
"""
SET_COUNTERS = """
UPDATE usage_counter AS counter SET used = CASE change.mode
    WHEN 'add' THEN counter.used + change.number
    WHEN 'raise' THEN greatest(counter.used, change.number)
    ELSE change.number END
FROM unnest(%(customers)s::text[], %(meters)s::text[], %(periods)s::text[], %(modes)s::text[],
    %(numbers)s::numeric[]) AS change (customer_id, meter_id, period, mode, number)
WHERE counter.project_id = %(project)s AND counter.customer_id = change.customer_id
    AND counter.meter_id = change.meter_id AND counter.period = change.period
"""
NOTE = """
INSERT INTO usage_movement (project_id, customer_id, meter_id, moved_at)
SELECT %(project)s, pair.customer_id, pair.meter_id, %(at)s
FROM unnest(%(customers)s::text[], %(meters)s::text[]) AS pair (customer_id, meter_id)
ON CONFLICT (project_id, customer_id, meter_id) DO UPDATE SET moved_at = excluded.moved_at
"""
LOCK_HOUR = """
SELECT 1 FROM usage_total
WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
    AND hour = %(hour)s
FOR UPDATE
"""
MAKE_HOUR = """
INSERT INTO usage_total AS total
    (project_id, customer_id, meter_id, hour, count, sum, max, last, last_at)
SELECT %(project)s, %(customer)s, %(meter)s, %(hour)s, count(*), coalesce(sum(record.value), 0),
    coalesce(max(record.value), 0),
    coalesce((array_agg(record.value ORDER BY record.occurred_at DESC, record.value DESC))[1], 0),
    coalesce(max(record.occurred_at), %(hour)s)
FROM usage_record AS record
WHERE record.project_id = %(project)s AND record.customer_id = %(customer)s
    AND record.meter_id = %(meter)s AND record.voided_at IS NULL
    AND record.occurred_at >= %(hour)s
    AND record.occurred_at < %(hour)s::timestamptz + interval '1 hour'
ON CONFLICT (project_id, customer_id, meter_id, hour) DO UPDATE SET
    count = excluded.count, sum = excluded.sum, max = excluded.max, last = excluded.last,
    last_at = excluded.last_at
"""

WATCHER = "entitlements.hold_limits"
"""The task that processes movements."""

Pair = tuple[str, str]
"""(customer id, meter id)."""


class LockedCounter(NamedTuple):
    """A locked counter and its window."""

    customer_id: str
    meter_id: str
    period: str
    starts_at: datetime
    ends_at: datetime


class _CounterChange(NamedTuple):
    counter: LockedCounter
    number: int
    mode: str


def follow_totals(
    *,
    project_id: str,
    changes: TotalChanges,
    counters: Collection[LockedCounter],
    meters: Mapping[str, Meter],
    at: datetime,
) -> None:
    """Raise counters by what stored records have added to the totals, and leave the movements.

    ``meters`` is by id; ``counters`` are all of theirs, locked before the records were stored.
    """
    if counters:
        _raise_counters(project_id, counters, changes, meters)
    watched = {meter_id for meter_id, meter in meters.items() if meter.is_watched}
    if watched:
        pairs = set(zip(changes.customer_ids, changes.meter_ids, strict=True))
        moved = [pair for pair in pairs if pair[1] in watched]
        record_movements(project_id=project_id, pairs=moved, at=at)


def lock_counters(*, project_id: str, pairs: Sequence[Pair]) -> list[LockedCounter]:
    """All counters of these pairs, locked until the transaction ends."""
    parameters = {"project": project_id, **_pair_arrays(pairs)}
    return [LockedCounter(*row) for row in prepared_statements.fetch_rows(LOCK, parameters)]


def record_movements(*, project_id: str, pairs: Sequence[Pair], at: datetime) -> None:
    """Leave a movement for each pair, and wake the task that processes them."""
    if pairs:
        parameters: dict[str, Any] = {
            "project": project_id,
            "at": at,
            **_pair_arrays(sorted(pairs)),
        }
        prepared_statements.fetch_rows(NOTE, parameters)
        enqueue(WATCHER)


def _pair_arrays(pairs: Sequence[Pair]) -> dict[str, BinaryArray]:
    return {
        "customers": binary_arrays.of_texts([customer_id for customer_id, _ in pairs]),
        "meters": binary_arrays.of_texts([meter_id for _, meter_id in pairs]),
    }


def _raise_counters(
    project_id: str,
    counters: Collection[LockedCounter],
    total_changes: TotalChanges,
    meters: Mapping[str, Meter],
) -> None:
    """Raise each counter by the changes in its window; ``last`` and ``unique`` are counted
    again."""
    by_pair: dict[Pair, list[Any]] = {}
    customer_ids, meter_ids, hours, _, sums, maxima, *_ = total_changes
    for customer_id, meter_id, *change in zip(
        customer_ids, meter_ids, hours, sums, maxima, strict=True
    ):
        by_pair.setdefault((customer_id, meter_id), []).append(change)
    changes: list[_CounterChange] = []
    to_recount: list[LockedCounter] = []
    for counter in counters:
        changes_in_window = [
            (added, largest)
            for hour, added, largest in by_pair.get((counter.customer_id, counter.meter_id), ())
            if counter.starts_at <= hour < counter.ends_at
        ]
        if not changes_in_window:
            continue
        match meters[counter.meter_id].aggregation:
            case Aggregation.COUNT | Aggregation.SUM:
                added = sum(added for added, _ in changes_in_window)
                changes.append(_CounterChange(counter, added, "add"))
            case Aggregation.MAX:
                largest = max(largest for _, largest in changes_in_window)
                changes.append(_CounterChange(counter, largest, "raise"))
            case _:
                to_recount.append(counter)
    _set_counters(project_id, changes)
    recount(project_id=project_id, counters=to_recount)


def recount(*, project_id: str, counters: Sequence[LockedCounter]) -> None:
    """Set locked counters from the totals and records of their windows."""
    spans = [
        Span(counter.customer_id, counter.meter_id, counter.starts_at, counter.ends_at)
        for counter in counters
    ]
    usage = totals.usage_of_spans(project_id=project_id, spans=spans)
    changes = [_CounterChange(*pair, "set") for pair in zip(counters, usage, strict=True)]
    _set_counters(project_id, changes)


def recompute_hour(*, project_id: str, key: TotalKey) -> None:
    """Compute the total of this hour from its records; the total is locked before they are read."""
    parameters: dict[str, Any] = {
        "project": project_id,
        "customer": key.customer_id,
        "meter": key.meter_id,
        "hour": key.hour,
    }
    with connection.cursor() as cursor:
        cursor.execute(LOCK_HOUR, parameters)
        cursor.execute(MAKE_HOUR, parameters)


def _set_counters(project_id: str, changes: Sequence[_CounterChange]) -> None:
    if not changes:
        return
    parameters = {
        "project": project_id,
        "customers": binary_arrays.of_texts([change.counter.customer_id for change in changes]),
        "meters": binary_arrays.of_texts([change.counter.meter_id for change in changes]),
        "periods": binary_arrays.of_texts([change.counter.period for change in changes]),
        "modes": binary_arrays.of_texts([change.mode for change in changes]),
        "numbers": [change.number for change in changes],  # sums of any size
    }
    prepared_statements.fetch_rows(SET_COUNTERS, parameters)
