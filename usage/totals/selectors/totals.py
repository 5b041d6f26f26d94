"""Usage within spans of time, from hourly totals.

One constant statement for any number of spans, which the ORM cannot express; it names the project,
as every query over tenants' rows does.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from usage.models import Meter
from usage.models.meter import Aggregation
from usage.periods import Period, Unit, Window

USAGE_OF_SPANS = """
SELECT span.number, CASE meter.aggregation
    WHEN 'max' THEN (
        SELECT coalesce(max(total.max), 0) FROM usage_total AS total
        WHERE total.project_id = meter.project_id AND total.customer_id = span.customer_id
            AND total.meter_id = meter.id
            AND total.hour >= span.starts_at AND total.hour < span.ends_at)
    WHEN 'last' THEN coalesce((
        SELECT total.last FROM usage_total AS total
        WHERE total.project_id = meter.project_id AND total.customer_id = span.customer_id
            AND total.meter_id = meter.id AND total.count > 0
            AND total.hour >= span.starts_at AND total.hour < span.ends_at
        ORDER BY total.hour DESC LIMIT 1), 0)
    WHEN 'unique' THEN (
        SELECT count(DISTINCT record.member) FROM usage_record AS record
        WHERE record.project_id = meter.project_id AND record.customer_id = span.customer_id
            AND record.meter_id = meter.id AND record.voided_at IS NULL
            AND record.occurred_at >= span.starts_at AND record.occurred_at < span.ends_at)
    ELSE (
        SELECT coalesce(sum(total.sum), 0) FROM usage_total AS total
        WHERE total.project_id = meter.project_id AND total.customer_id = span.customer_id
            AND total.meter_id = meter.id
            AND total.hour >= span.starts_at AND total.hour < span.ends_at)
    END
FROM unnest(%(customers)s::text[], %(meters)s::text[],
        %(starts)s::timestamptz[], %(ends)s::timestamptz[])
    WITH ORDINALITY AS span (customer_id, meter_id, starts_at, ends_at, number)
JOIN usage_meter AS meter ON meter.project_id = %(project)s AND meter.id = span.meter_id
"""

USAGE_BY_UNIT = """
SELECT date_trunc(%(unit)s, hour, 'UTC'), sum(sum), sum(sum), max(max),
    (array_agg(last ORDER BY hour DESC))[1]
FROM usage_total
WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
    AND hour >= %(since)s AND hour < %(until)s AND count > 0
GROUP BY 1 ORDER BY 1
"""
UNIQUE_USAGE_BY_UNIT = """
SELECT date_trunc(%(unit)s, occurred_at, 'UTC'), count(DISTINCT member)
FROM usage_record
WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
    AND occurred_at >= %(since)s AND occurred_at < %(until)s AND voided_at IS NULL
GROUP BY 1 ORDER BY 1
"""
BY_UNIT_COLUMNS = [Aggregation.COUNT, Aggregation.SUM, Aggregation.MAX, Aggregation.LAST]
"""The aggregates of ``USAGE_BY_UNIT``, in the order of its columns."""


class Span(NamedTuple):
    """A half-open span of time of one customer and meter; both ends are full hours."""

    customer_id: str
    meter_id: str
    starts_at: datetime
    ends_at: datetime


def usage_of_spans(*, project_id: str, spans: Sequence[Span]) -> list[int]:
    """The usage in each span by its meter's aggregation, in their order; one query.

    0 without usage, and for a meter that the project does not have.
    """
    if not spans:
        return []
    customers, meters, starts, ends = (list(column) for column in zip(*spans, strict=True))
    parameters: dict[str, Any] = {
        "project": project_id,
        "customers": customers,
        "meters": meters,
        "starts": starts,
        "ends": ends,
    }
    with connection.cursor() as cursor:
        cursor.execute(USAGE_OF_SPANS, parameters)
        usage_by_number = {number: int(used) for number, used in cursor.fetchall()}
    return [usage_by_number.get(number, 0) for number in range(1, len(spans) + 1)]


def usage_by_unit(*, meter: Meter, span: Span, unit: Unit) -> list[tuple[Window, int]]:
    """Usage by hour, day or month (UTC), where there is any; one query.

    The first and the last contain only what lies within the span.
    """
    parameters = {
        "unit": unit.value,
        "project": meter.project_id,
        "customer": span.customer_id,
        "meter": meter.pk,
        "since": span.starts_at,
        "until": span.ends_at,
    }
    is_unique = meter.aggregation == Aggregation.UNIQUE
    column = 1 if is_unique else 1 + BY_UNIT_COLUMNS.index(Aggregation(meter.aggregation))
    statement = UNIQUE_USAGE_BY_UNIT if is_unique else USAGE_BY_UNIT
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    calendar = Period(unit)
    return [(calendar.window(row[0]), int(row[column])) for row in rows]
