"""Check that totals equal their records, and counters their totals (``unique`` counters the
records).

All are written in one transaction, so a statement that reads both sides sees them agree. A
difference is confirmed, and repaired, under the locks of the writers.
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
from usage.totals import write_locks
from usage.totals.aggregation import TotalKey

PAGE_SIZE = 200
"""Rows that one statement compares."""

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
class UsageMismatch:
    """A stored total or counter that differs from what it follows from. ``is_repaired`` once it
    was recounted."""

    subject: str
    project_id: str
    stored: int
    expected: int
    is_repaired: bool

    def __str__(self) -> str:
        return f"{self.subject}: {self.stored} -> {self.expected}"


@dataclass(frozen=True, slots=True)
class UsageCheckPage:
    """Result of one page. ``after`` is the cursor of the next page; empty after the last."""

    checked: int
    mismatches: Sequence[UsageMismatch]
    after: str


def check_totals(*, after: str, at: datetime, repair: bool, project_id: str = "") -> UsageCheckPage:
    """Compare a page of hourly totals with their records, as far back as records are kept."""
    project, customer, meter, hour = _parse_cursor(after, "0001-01-01T00:00:00+00:00")
    rows = _fetch(
        _TOTALS,
        {
            "project": project,
            "customer": customer,
            "meter": meter,
            "hour": hour,
            "only": project_id,
            "since": _complete_since(at),
            "limit": PAGE_SIZE,
        },
    )
    mismatches = [_check_total(row, repair=repair) for row in rows if row[4]]
    return UsageCheckPage(len(rows), mismatches, _next_cursor(rows, lambda row: row[3].isoformat()))


def check_counters(
    *, after: str, at: datetime, repair: bool, project_id: str = ""
) -> UsageCheckPage:
    """Compare a page of running counters with the totals of their windows.

    ``unique`` counters are compared with records, unless their window began before the oldest
    record that is kept.
    """
    project, customer, meter, period = _parse_cursor(after, "")
    rows = _fetch(
        _COUNTERS,
        {
            "project": project,
            "customer": customer,
            "meter": meter,
            "period": period,
            "only": project_id,
            "at": at,
            "since": _complete_since(at),
            "limit": PAGE_SIZE,
        },
    )
    mismatches = [_check_counter(row, repair=repair) for row in rows if row[6]]
    return UsageCheckPage(len(rows), mismatches, _next_cursor(rows, lambda row: str(row[3])))


def _complete_since(at: datetime) -> datetime:
    """Time from which on no record has been dropped: by the retention, or the oldest month that
    has a table."""
    kept = at - settings.USAGE.retention
    months = partitions.months(RECORD_MONTHS)
    return max(kept, months[0].starts_at) if months else kept


def _check_total(row: Sequence[Any], *, repair: bool) -> UsageMismatch:
    project_id, customer_id, meter_id, hour, _, stored, expected = row
    if repair:
        with transaction.atomic():
            write_locks.lock_exclusive(customer_id)
            counters = totals.lock_counters(project_id=project_id, pairs=[(customer_id, meter_id)])
            key = TotalKey(customer_id, meter_id, hour)
            totals.recompute_hour(project_id=project_id, key=key)
            in_window = [
                counter for counter in counters if counter.starts_at <= hour < counter.ends_at
            ]
            totals.recount(project_id=project_id, counters=in_window)
    subject = f"total of {meter_id} of {customer_id} at {hour:%Y-%m-%d %H:%M}"
    return UsageMismatch(subject, project_id, int(stored), int(expected), repair)


def _check_counter(row: Sequence[Any], *, repair: bool) -> UsageMismatch:
    project_id, customer_id, meter_id, period, _, _, _, stored, expected = row
    if repair:
        with transaction.atomic():
            write_locks.lock_exclusive(customer_id)
            pair = (customer_id, meter_id)
            counters = totals.lock_counters(project_id=project_id, pairs=[pair])
            counters_of_period = [counter for counter in counters if counter.period == period]
            totals.recount(project_id=project_id, counters=counters_of_period)
    subject = f"counter {period} of {meter_id} of {customer_id}"
    return UsageMismatch(subject, project_id, int(stored), int(expected), repair)


def _parse_cursor(after: str, first: str) -> list[str]:
    return json.loads(after) if after else ["", "", "", first]


def _next_cursor(rows: Sequence[Sequence[Any]], last_column: Any) -> str:
    if len(rows) < PAGE_SIZE:
        return ""
    return json.dumps([*rows[-1][:3], last_column(rows[-1])], separators=(",", ":"))


def _fetch(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
