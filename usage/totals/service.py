"""Keep totals and counters with the records, in the transaction that stores them.

Locks are taken in one order by everybody who writes: the stripes of the customers, counters, the
keys of records, totals, movements; rows of one kind in the order of their keys. Counters are
locked in a statement of their own, so what is read of them afterwards is what is true.

Rows are raised a thousand at a time with ``ON CONFLICT`` and joins to arrays, which the ORM cannot
say; the SQL is constant.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from common import prepared
from common.queue import enqueue
from usage.models import Meter
from usage.models.meter import Aggregation
from usage.totals import arrays
from usage.totals.aggregation import Place, Share, by_hour
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
RAISE_TOTALS = """
INSERT INTO usage_total AS total
    (project_id, customer_id, meter_id, hour, count, sum, max, last, last_at)
SELECT %(project)s, share.*
FROM unnest(%(customers)s::text[], %(meters)s::text[], %(hours)s::timestamptz[],
    %(counts)s::bigint[], %(sums)s::numeric[], %(maxima)s::bigint[], %(lasts)s::bigint[],
    %(moments)s::timestamptz[]) AS share (customer_id, meter_id, hour, count, sum, max, last, at)
ON CONFLICT (project_id, customer_id, meter_id, hour) DO UPDATE SET
    count = total.count + excluded.count,
    sum = total.sum + excluded.sum,
    max = greatest(total.max, excluded.max),
    last = CASE WHEN (excluded.last_at, excluded.last) > (total.last_at, total.last)
        THEN excluded.last ELSE total.last END,
    last_at = greatest(total.last_at, excluded.last_at)
"""
SET_COUNTERS = """
UPDATE usage_counter AS counter SET used = CASE change.how
    WHEN 'add' THEN counter.used + change.figure
    WHEN 'raise' THEN greatest(counter.used, change.figure)
    ELSE change.figure END
FROM unnest(%(customers)s::text[], %(meters)s::text[], %(periods)s::text[], %(hows)s::text[],
    %(figures)s::numeric[]) AS change (customer_id, meter_id, period, how, figure)
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
"""The task that looks at what has moved."""

Pair = tuple[str, str]
"""A customer and a meter."""


class Counted(NamedTuple):
    """A locked counter and the window that it is in."""

    customer_id: str
    meter_id: str
    period: str
    starts_at: datetime
    ends_at: datetime


class _Change(NamedTuple):
    counter: Counted
    figure: int
    how: str


def add(
    *,
    project_id: str,
    uses: Iterable[tuple[str, str, int, datetime]],
    counters: Collection[Counted],
    meters: Mapping[str, Meter],
    at: datetime,
) -> None:
    """Count what was just stored, each a ``Use``; ``meters`` by id, ``counters`` all of theirs,
    locked before."""
    shares = by_hour(uses)
    _raise_totals(project_id, shares)
    if counters:
        _raise_counters(project_id, counters, shares, meters)
    pairs = {(place.customer_id, place.meter_id) for place in shares}
    note(project_id=project_id, pairs=[pair for pair in pairs if meters[pair[1]].is_watched], at=at)


def lock_counters(*, project_id: str, pairs: Sequence[Pair]) -> list[Counted]:
    """All counters of these, locked until the transaction ends."""
    given = {"project": project_id, **_of_pairs(pairs)}
    return [Counted(*row) for row in prepared.rows(LOCK, given)]


def note(*, project_id: str, pairs: Sequence[Pair], at: datetime) -> None:
    """Leave word, for whoever watches, that these have moved."""
    if pairs:
        given: dict[str, Any] = {"project": project_id, "at": at, **_of_pairs(sorted(pairs))}
        with connection.cursor() as cursor:
            cursor.execute(NOTE, given)
        enqueue(WATCHER)


def _of_pairs(pairs: Sequence[Pair]) -> dict[str, str]:
    return {
        "customers": arrays.of_texts([customer_id for customer_id, _ in pairs]),
        "meters": arrays.of_texts([meter_id for _, meter_id in pairs]),
    }


def _raise_totals(project_id: str, shares: Mapping[Place, Share]) -> None:
    given = {
        "project": project_id,
        "customers": arrays.of_texts([place.customer_id for place in shares]),
        "meters": arrays.of_texts([place.meter_id for place in shares]),
        "hours": arrays.of_moments([place.hour for place in shares]),
        "counts": arrays.of_numbers([share.count for share in shares.values()]),
        "sums": arrays.of_numbers([share.sum for share in shares.values()]),
        "maxima": arrays.of_numbers([share.max for share in shares.values()]),
        "lasts": arrays.of_numbers([share.last for share in shares.values()]),
        "moments": arrays.of_moments([share.last_at for share in shares.values()]),
    }
    prepared.rows(RAISE_TOTALS, given)


def _raise_counters(
    project_id: str,
    counters: Collection[Counted],
    shares: Mapping[Place, Share],
    meters: Mapping[str, Meter],
) -> None:
    """Each by what lies in its window; ``last`` and ``unique`` are counted again."""
    by_pair: dict[Pair, list[tuple[datetime, Share]]] = {}
    for place, share in shares.items():
        by_pair.setdefault((place.customer_id, place.meter_id), []).append((place.hour, share))
    changes: list[_Change] = []
    again: list[Counted] = []
    for counter in counters:
        within = [
            share
            for hour, share in by_pair.get((counter.customer_id, counter.meter_id), ())
            if counter.starts_at <= hour < counter.ends_at
        ]
        if not within:
            continue
        match meters[counter.meter_id].aggregation:
            case Aggregation.COUNT | Aggregation.SUM:
                changes.append(_Change(counter, sum(share.sum for share in within), "add"))
            case Aggregation.MAX:
                changes.append(_Change(counter, max(share.max for share in within), "raise"))
            case _:
                again.append(counter)
    _set_counters(project_id, changes)
    recount(project_id=project_id, counters=again)


def recount(*, project_id: str, counters: Sequence[Counted]) -> None:
    """Set locked counters to what totals and records of their windows come to."""
    spans = [
        Span(each.customer_id, each.meter_id, each.starts_at, each.ends_at) for each in counters
    ]
    figures = totals.figures(project_id=project_id, spans=spans)
    changes = [_Change(*pair, "set") for pair in zip(counters, figures, strict=True)]
    _set_counters(project_id, changes)


def recompute_hour(*, project_id: str, place: Place) -> None:
    """Make the total of this hour from its records, locked before they are read."""
    given: dict[str, Any] = {
        "project": project_id,
        "customer": place.customer_id,
        "meter": place.meter_id,
        "hour": place.hour,
    }
    with connection.cursor() as cursor:
        cursor.execute(LOCK_HOUR, given)
        cursor.execute(MAKE_HOUR, given)


def _set_counters(project_id: str, changes: Sequence[_Change]) -> None:
    if not changes:
        return
    given = {
        "project": project_id,
        "customers": arrays.of_texts([change.counter.customer_id for change in changes]),
        "meters": arrays.of_texts([change.counter.meter_id for change in changes]),
        "periods": arrays.of_texts([change.counter.period for change in changes]),
        "hows": arrays.of_texts([change.how for change in changes]),
        "figures": arrays.of_numbers([change.figure for change in changes]),
    }
    with connection.cursor() as cursor:
        cursor.execute(SET_COUNTERS, given)
