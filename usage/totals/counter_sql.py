"""SQL of check-and-count, and the counter after it.

All counters of customer and meter are locked in the order of their periods. The counter of the
limit decides, together with the reserved units of every counter, because these will be used in all
of them. The record's key, the counters, the record and the hourly total are written by the same
statement. A counter of extended windows (``usage.periods``) must be in the requested window. SQL,
because one write depends on another; constant, so that it is planned once per connection.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from common import prepared_statements

COUNT = """
WITH held AS MATERIALIZED (
    SELECT period, starts_at, ends_at, used, reserved, siblings FROM usage_counter
    WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
      AND EXISTS (
        SELECT FROM usage_counter
        WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
          AND period = %(period)s)
    ORDER BY period FOR UPDATE
), target AS (
    SELECT used, (SELECT sum(reserved) FROM held) AS reserved, starts_at, ends_at,
        GREATEST(%(at)s, starts_at) AS counts_at,
        siblings <= (SELECT count(*) FROM held) AS is_whole,
        archived_at IS NULL AND aggregation IN ('count', 'sum') AS is_open, is_forwarded, is_shared,
        %(version)s::bigint IS NULL OR EXISTS (
            SELECT FROM projects_customer WHERE project_id = %(project)s AND id = %(customer)s
              AND version = %(version)s::bigint) AS is_current,
        GREATEST(%(at)s, starts_at) < ends_at AND (%(extended_from)s::timestamptz IS NULL
            OR starts_at = %(extended_from)s::timestamptz) AS is_within
    FROM held JOIN usage_meter ON project_id = %(project)s AND id = %(meter)s
    WHERE period = %(period)s
), keyed AS (
    INSERT INTO usage_recordkey
        (project_id, id, customer_id, meter_id, occurred_at, fingerprint)
    SELECT %(project)s, %(record)s, %(customer)s, %(meter)s, counts_at, %(fingerprint)s
    FROM target
    WHERE is_whole AND is_open AND is_current AND (is_within OR %(released)s > 0)
      AND (%(limit)s::numeric IS NULL
        OR used + reserved - %(released)s + %(amount)s <= %(limit)s::numeric)
    ON CONFLICT DO NOTHING
    RETURNING occurred_at
), counted AS (
    UPDATE usage_counter AS counter SET
        used = counter.used + CASE
            WHEN occurred_at >= counter.starts_at AND occurred_at < counter.ends_at
            THEN %(amount)s ELSE 0 END,
        reserved = counter.reserved - CASE
            WHEN counter.period = %(period)s THEN %(released)s ELSE 0 END
    FROM keyed
    WHERE counter.project_id = %(project)s AND counter.customer_id = %(customer)s
      AND counter.meter_id = %(meter)s
), recorded AS (
    INSERT INTO usage_record
        (project_id, customer_id, meter_id, occurred_at, id, value, recorded_at, forwarding)
    SELECT %(project)s, %(customer)s, %(meter)s, occurred_at, %(record)s, %(amount)s, %(at)s,
        CASE WHEN is_forwarded THEN 'pending' ELSE '' END
    FROM keyed, target
), totalled AS (
    INSERT INTO usage_total AS total
        (project_id, customer_id, meter_id, hour, count, sum, max, last, last_at)
    SELECT %(project)s, %(customer)s, %(meter)s, date_trunc('hour', occurred_at, 'UTC'),
        1, %(amount)s, %(amount)s, %(amount)s, occurred_at
    FROM keyed
    ON CONFLICT (project_id, customer_id, meter_id, hour) DO UPDATE SET
        count = total.count + 1,
        sum = total.sum + excluded.sum,
        max = GREATEST(total.max, excluded.max),
        last = CASE WHEN (excluded.last_at, excluded.last) > (total.last_at, total.last)
            THEN excluded.last ELSE total.last END,
        last_at = GREATEST(total.last_at, excluded.last_at)
), noted AS (
    INSERT INTO usage_movement AS movement (project_id, customer_id, meter_id, moved_at)
    SELECT %(project)s, %(customer)s, %(meter)s, %(at)s
    FROM keyed, target
    WHERE is_shared OR %(released)s > 0 OR EXISTS (
        SELECT FROM unnest(%(marks)s::numeric[]) AS mark
        WHERE used < mark AND mark <= used + %(amount)s)
    ON CONFLICT (project_id, customer_id, meter_id) DO UPDATE SET moved_at = excluded.moved_at
    RETURNING moved_at
)
SELECT used, reserved, starts_at, ends_at, is_whole AND is_within AS is_running,
    is_open, EXISTS (SELECT FROM keyed) AS is_counted, EXISTS (SELECT FROM noted) AS is_noted,
    is_current
FROM target
"""

RESERVE = """
WITH held AS MATERIALIZED (
    SELECT period, starts_at, ends_at, used, reserved, siblings FROM usage_counter
    WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
    ORDER BY period FOR UPDATE
), target AS (
    SELECT used, (SELECT sum(reserved) FROM held) AS reserved, starts_at, ends_at,
        siblings <= (SELECT count(*) FROM held) AND %(at)s < ends_at
            AND (%(extended_from)s::timestamptz IS NULL
                OR starts_at = %(extended_from)s::timestamptz) AS is_running,
        archived_at IS NULL AND aggregation IN ('count', 'sum') AS is_open
    FROM held JOIN usage_meter ON project_id = %(project)s AND id = %(meter)s
    WHERE period = %(period)s
), promised AS (
    UPDATE usage_counter AS counter SET reserved = counter.reserved + %(amount)s
    FROM target
    WHERE counter.project_id = %(project)s AND counter.customer_id = %(customer)s
      AND counter.meter_id = %(meter)s AND counter.period = %(period)s
      AND target.is_running AND target.is_open
      AND (%(limit)s::numeric IS NULL
        OR target.used + target.reserved + %(amount)s <= %(limit)s::numeric)
    RETURNING counter.period
)
SELECT used, reserved + CASE WHEN EXISTS (SELECT FROM promised) THEN %(amount)s ELSE 0 END,
    starts_at, ends_at, is_running, is_open, EXISTS (SELECT FROM promised), false
FROM target
"""

READ = """
SELECT used, (
        SELECT sum(reserved) FROM usage_counter AS sibling
        WHERE sibling.project_id = %(project)s AND sibling.customer_id = %(customer)s
          AND sibling.meter_id = %(meter)s),
    starts_at, ends_at, %(at)s < ends_at AND (%(extended_from)s::timestamptz IS NULL
        OR starts_at = %(extended_from)s::timestamptz),
    archived_at IS NULL AND aggregation IN ('count', 'sum'), false, false
FROM usage_counter JOIN usage_meter
    ON usage_meter.project_id = usage_counter.project_id AND usage_meter.id = meter_id
WHERE usage_counter.project_id = %(project)s AND customer_id = %(customer)s
  AND meter_id = %(meter)s AND period = %(period)s
"""

RELEASE = """
UPDATE usage_counter SET reserved = reserved - %(amount)s
WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
  AND period = %(period)s
"""


class CounterRow(NamedTuple):
    """The counter before the statement, and what the statement did."""

    used: int
    reserved: int
    starts_at: datetime
    ends_at: datetime
    is_running: bool
    is_open: bool
    is_counted: bool
    is_noted: bool
    is_current: bool = True
    """Whether the customer's version is the given one; true without one."""


def run_statement(statement: str, parameters: dict[str, Any]) -> CounterRow | None:
    """The counter after the statement; None when it does not exist."""
    row = prepared_statements.fetch_row(statement, parameters)
    return None if row is None else _counter_row(row)


def run_each(statement: str, parameters: Sequence[dict[str, Any]]) -> list[CounterRow | None]:
    """:func:`run_statement` for each of the parameters, in one transaction."""
    results = prepared_statements.fetch_each(statement, parameters)
    return [_counter_row(rows[0]) if rows else None for rows in results]


def _counter_row(row: tuple[Any, ...]) -> CounterRow:
    return CounterRow(int(row[0]), int(row[1]), *row[2:])
