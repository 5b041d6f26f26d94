"""Records to report to Stripe, across projects: those that have waited longest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet

from common.row_counts import CountedRows, count_rows
from usage.models import Meter, Record
from usage.models.record import Forwarding

OPEN_STATUSES = (Forwarding.PENDING, Forwarding.CANCELING)


_LANES = """
WITH RECURSIVE lane (meter_id) AS (
    (SELECT meter_id FROM usage_record WHERE forwarding IN ('pending', 'canceling')
    ORDER BY meter_id LIMIT 1)
    UNION ALL
    SELECT following.meter_id FROM lane CROSS JOIN LATERAL (
        SELECT meter_id FROM usage_record
        WHERE forwarding IN ('pending', 'canceling') AND meter_id > lane.meter_id
        ORDER BY meter_id LIMIT 1
    ) AS following
)
SELECT meter_id FROM lane
"""
"""A few probes of an index, however many records wait."""

_DUE = """
SELECT waiting.* FROM unnest(%(lanes)s::text[]) AS lane (meter_id) CROSS JOIN LATERAL (
    SELECT project_id, customer_id, meter_id, occurred_at, id, value, recorded_at, forwarding,
        forwarded_at, event_identifier
    FROM usage_record AS record
    WHERE record.meter_id = lane.meter_id AND forwarding IN ('pending', 'canceling')
    ORDER BY recorded_at LIMIT %(each)s
) AS waiting
"""


def lanes() -> list[str]:
    """Ids of meters, of any project, with records to report or cancel."""
    with connection.cursor() as cursor:
        cursor.execute(_LANES)
        return [meter_id for (meter_id,) in cursor.fetchall()]


def due(*, lanes: Sequence[str], limit: int) -> list[Record]:
    """Records of these meters to report or cancel: the same number per meter, oldest first. They
    have only the columns that reporting needs."""
    if not lanes:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"lanes": list(lanes), "each": max(limit // len(lanes), 1)})
        names = [column.name for column in cursor.description]
        return [Record(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class ForwardingStatus:
    """How many records wait, since when the oldest, and how many Stripe refused."""

    waiting: int
    refused: int
    oldest: datetime | None


def unreported_rows() -> dict[str, CountedRows]:
    """Records of all projects that wait to be reported, and records that Stripe refused."""
    rows = Record.objects.across_projects()
    return {
        "waiting_usage": CountedRows(rows.filter(forwarding__in=OPEN_STATUSES), "recorded_at"),
        "refused_usage": CountedRows(rows.filter(forwarding=Forwarding.REFUSED)),
    }


def forwarding_status() -> ForwardingStatus:
    """The status over all projects; one query."""
    waiting, refused = count_rows(unreported_rows()).values()
    return ForwardingStatus(waiting=waiting.n, refused=refused.n, oldest=waiting.oldest)


def refused(*, meter: Meter) -> QuerySet[Record]:
    """The meter's records that Stripe refused, newest first."""
    rows = Record.objects.for_project(meter.project_id).filter(
        meter=meter, forwarding=Forwarding.REFUSED
    )
    return rows.select_related("customer").order_by("-recorded_at", "-id")


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """A customer's usage of a meter as Stripe should have it.

    ``records`` and ``value`` are what was reported; ``refused`` counts records that Stripe refused
    to count or to cancel. ``is_settled`` is false while reports are in flight.
    """

    records: int
    value: int
    refused: int
    is_settled: bool


class ReportedUsageQuery(NamedTuple):
    """A customer's use of a meter in ``[since, until)``."""

    project_id: str
    customer_id: str
    meter_id: str
    since: datetime
    until: datetime


_REPORTED_USAGE = """
SELECT usage.* FROM unnest(
    %(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(since)s::timestamptz[], %(until)s::timestamptz[]
) WITH ORDINALITY AS query (project_id, customer_id, meter_id, since, until, place)
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE counts),
        coalesce(sum(value) FILTER (WHERE counts), 0),
        count(*) FILTER (WHERE forwarding = 'refused'),
        count(*) FILTER (
            WHERE forwarding IN ('pending', 'canceling') OR forwarded_at > %(settled_before)s
        )
    FROM (
        SELECT *, forwarding IN ('told', 'refused') AND voided_at IS NULL AS counts
        FROM usage_record AS record
        WHERE record.project_id = query.project_id
            AND record.customer_id = query.customer_id
            AND record.meter_id = query.meter_id
            AND record.occurred_at >= query.since AND record.occurred_at < query.until
    ) AS record
) AS usage
ORDER BY query.place
"""


def reported_usage(
    *, queries: Sequence[ReportedUsageQuery], settled_before: datetime
) -> list[ReportedUsage]:
    """Reported usage for each query, in their order; one query. ``is_settled`` is false while
    records reported after ``settled_before`` may still be in flight."""
    if not queries:
        return []
    names = ("projects", "customers", "meters", "since", "until")
    columns = {
        name: list(values) for name, values in zip(names, zip(*queries, strict=True), strict=True)
    }
    with connection.cursor() as cursor:
        cursor.execute(_REPORTED_USAGE, {**columns, "settled_before": settled_before})
        return [
            ReportedUsage(
                records=records, value=int(value), refused=refused, is_settled=not in_flight
            )
            for records, value, refused, in_flight in cursor.fetchall()
        ]
