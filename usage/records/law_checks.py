"""Whether totals are what the records come to, and counters what the totals come to, or for meters
that count different values the records.

All are kept with every record in one transaction, so one statement that reads both sides sees
them agree. What seems to differ is looked at again under the locks of those who write, and counted
anew there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from common import partitions
from usage.models.record import RECORD_MONTHS
from usage.totals import service as totals
from usage.totals import write_locks as stripes
from usage.totals.aggregation import Place

PAGE = 200
"""Rows that are compared by one statement."""

_TOTALS = """
WITH page AS MATERIALIZED (
    SELECT project_id, customer_id, meter_id, hour, count, sum, max, last, last_at
    FROM usage_total
    WHERE (project_id, customer_id, meter_id, hour)
            > (%(project)s, %(customer)s, %(meter)s, %(hour)s::timestamptz)
        AND (%(only)s = '' OR project_id = %(only)s)
    ORDER BY project_id, customer_id, meter_id, hour
    LIMIT %(limit)s
)
SELECT page.project_id, page.customer_id, page.meter_id, page.hour,
    page.hour >= %(since)s AND (
        page.count <> kept.count OR page.sum <> kept.sum
        OR (kept.count > 0 AND (page.max <> kept.max OR page.last <> kept.last))
    ) AS differs, page.sum, kept.sum
FROM page CROSS JOIN LATERAL (
    SELECT count(*) AS count, coalesce(sum(record.value), 0) AS sum,
        coalesce(max(record.value), 0) AS max,
        coalesce((array_agg(record.value
            ORDER BY record.occurred_at DESC, record.value DESC))[1], 0) AS last
    FROM usage_record AS record
    WHERE page.hour >= %(since)s AND record.project_id = page.project_id
        AND record.customer_id = page.customer_id AND record.meter_id = page.meter_id
        AND record.voided_at IS NULL AND record.occurred_at >= page.hour
        AND record.occurred_at < page.hour + interval '1 hour'
) AS kept
ORDER BY page.project_id, page.customer_id, page.meter_id, page.hour
"""

_COUNTERS = """
WITH page AS MATERIALIZED (
    SELECT counter.*, meter.aggregation
    FROM usage_counter AS counter JOIN usage_meter AS meter
        ON meter.project_id = counter.project_id AND meter.id = counter.meter_id
    WHERE (counter.project_id, counter.customer_id, counter.meter_id, counter.period)
            > (%(project)s, %(customer)s, %(meter)s, %(period)s)
        AND (%(only)s = '' OR counter.project_id = %(only)s)
    ORDER BY counter.project_id, counter.customer_id, counter.meter_id, counter.period
    LIMIT %(limit)s
)
SELECT page.project_id, page.customer_id, page.meter_id, page.period, page.starts_at,
    page.ends_at, page.used <> kept.used AS differs, page.used, kept.used
FROM page CROSS JOIN LATERAL (
    SELECT CASE
        WHEN page.ends_at <= %(at)s THEN page.used
        WHEN page.aggregation IN ('count', 'sum', 'max') THEN (
            SELECT coalesce(CASE page.aggregation WHEN 'max' THEN max(total.max)
                ELSE sum(total.sum) END, 0)
            FROM usage_total AS total
            WHERE total.project_id = page.project_id AND total.customer_id = page.customer_id
                AND total.meter_id = page.meter_id
                AND total.hour >= page.starts_at AND total.hour < page.ends_at)
        WHEN page.aggregation = 'last' THEN coalesce((
            SELECT total.last FROM usage_total AS total
            WHERE total.project_id = page.project_id AND total.customer_id = page.customer_id
                AND total.meter_id = page.meter_id AND total.count > 0
                AND total.hour >= page.starts_at AND total.hour < page.ends_at
            ORDER BY total.hour DESC LIMIT 1), 0)
        WHEN page.aggregation = 'unique' AND page.starts_at >= %(since)s THEN (
            SELECT count(DISTINCT record.member) FROM usage_record AS record
            WHERE record.project_id = page.project_id AND record.customer_id = page.customer_id
                AND record.meter_id = page.meter_id AND record.voided_at IS NULL
                AND record.occurred_at >= page.starts_at AND record.occurred_at < page.ends_at)
        ELSE page.used END AS used
) AS kept
ORDER BY page.project_id, page.customer_id, page.meter_id, page.period
"""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A figure that is not what it follows from; ``is_repaired`` once it was counted anew."""

    what: str
    project_id: str
    kept: int
    expected: int
    is_repaired: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.kept} -> {self.expected}"


@dataclass(frozen=True, slots=True)
class Page:
    """``after`` is where the next page begins; empty behind the last one."""

    checked: int
    mismatches: Sequence[Mismatch]
    after: str


def check_totals(*, after: str, at: datetime, repair: bool, project_id: str = "") -> Page:
    """Compare a page of hourly totals with their records, as far as records are kept."""
    project, customer, meter, hour = _start(after, "0001-01-01T00:00:00+00:00")
    rows = _rows(
        _TOTALS,
        {
            "project": project,
            "customer": customer,
            "meter": meter,
            "hour": hour,
            "only": project_id,
            "since": _kept_since(at),
            "limit": PAGE,
        },
    )
    found = [_total(row, repair=repair) for row in rows if row[4]]
    return Page(len(rows), found, _next(rows, lambda row: row[3].isoformat()))


def check_counters(*, after: str, at: datetime, repair: bool, project_id: str = "") -> Page:
    """Compare a page of running counters with the totals of their windows, those of ``unique``
    with the records.

    A ``unique`` counter whose window began before the records that are kept is not compared.
    """
    project, customer, meter, period = _start(after, "")
    rows = _rows(
        _COUNTERS,
        {
            "project": project,
            "customer": customer,
            "meter": meter,
            "period": period,
            "only": project_id,
            "at": at,
            "since": _kept_since(at),
            "limit": PAGE,
        },
    )
    found = [_counter(row, repair=repair) for row in rows if row[6]]
    return Page(len(rows), found, _next(rows, lambda row: str(row[3])))


def _kept_since(at: datetime) -> datetime:
    """From when on every record is there: none of what the retention keeps, nor of a month whose
    table is there, was dropped."""
    kept = at - settings.USAGE.retention
    months = partitions.months(RECORD_MONTHS)
    return max(kept, months[0].starts_at) if months else kept


def _total(row: Sequence[Any], *, repair: bool) -> Mismatch:
    project_id, customer_id, meter_id, hour, _, kept, expected = row
    if repair:
        with transaction.atomic():
            stripes.hold(customer_id)
            counters = totals.lock_counters(project_id=project_id, pairs=[(customer_id, meter_id)])
            place = Place(customer_id, meter_id, hour)
            totals.recompute_hour(project_id=project_id, place=place)
            within = [each for each in counters if each.starts_at <= hour < each.ends_at]
            totals.recount(project_id=project_id, counters=within)
    what = f"total of {meter_id} of {customer_id} at {hour:%Y-%m-%d %H:%M}"
    return Mismatch(what, project_id, int(kept), int(expected), repair)


def _counter(row: Sequence[Any], *, repair: bool) -> Mismatch:
    project_id, customer_id, meter_id, period, _, _, _, kept, expected = row
    if repair:
        with transaction.atomic():
            stripes.hold(customer_id)
            pair = (customer_id, meter_id)
            counters = totals.lock_counters(project_id=project_id, pairs=[pair])
            same = [each for each in counters if each.period == period]
            totals.recount(project_id=project_id, counters=same)
    what = f"counter {period} of {meter_id} of {customer_id}"
    return Mismatch(what, project_id, int(kept), int(expected), repair)


def _start(after: str, first: str) -> list[str]:
    return json.loads(after) if after else ["", "", "", first]


def _next(rows: Sequence[Sequence[Any]], last: Any) -> str:
    if len(rows) < PAGE:
        return ""
    return json.dumps([*rows[-1][:3], last(rows[-1])], separators=(",", ":"))


def _rows(statement: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
