"""What was used within stretches of time, from hourly totals.

One statement answers any number of stretches, which the ORM cannot say; its SQL is constant and
names the project, as every query over tenants' rows does.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

FIGURES = """
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


class Span(NamedTuple):
    """A stretch of time of one customer and meter, half-open; both ends are full hours."""

    customer_id: str
    meter_id: str
    starts_at: datetime
    ends_at: datetime


def figures(*, project_id: str, spans: Sequence[Span]) -> list[int]:
    """What each of these comes to by its meter's aggregation, in their order; one query.

    0 where nothing was used or where the project has no such meter.
    """
    if not spans:
        return []
    customers, meters, starts, ends = (list(column) for column in zip(*spans, strict=True))
    given: dict[str, Any] = {
        "project": project_id,
        "customers": customers,
        "meters": meters,
        "starts": starts,
        "ends": ends,
    }
    with connection.cursor() as cursor:
        cursor.execute(FIGURES, given)
        found = {number: int(figure) for number, figure in cursor.fetchall()}
    return [found.get(number, 0) for number in range(1, len(spans) + 1)]
