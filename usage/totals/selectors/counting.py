"""Usage of customers in the periods of their limits."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from usage.periods import Period, Window
from usage.totals.aggregation import hour_after
from usage.totals.selectors import totals
from usage.totals.selectors.totals import Span

RECENT = timedelta(hours=1)
"""Counters hold the present; usage at an earlier moment is read from totals."""

COUNTERS = """
SELECT ask.number, counter.starts_at, counter.ends_at, counter.used, (
    SELECT COALESCE(sum(sibling.reserved), 0) FROM usage_counter AS sibling
    WHERE sibling.project_id = %(project)s AND sibling.customer_id = ask.customer_id
      AND sibling.meter_id = ask.meter_id)
FROM unnest(%(customers)s::text[], %(meters)s::text[], %(periods)s::text[])
    WITH ORDINALITY AS ask (customer_id, meter_id, period, number)
LEFT JOIN usage_counter AS counter
    ON counter.project_id = %(project)s AND counter.customer_id = ask.customer_id
    AND counter.meter_id = ask.meter_id AND counter.period = ask.period
"""
"""Units reserved in any counter of customer and meter count against each of them."""


class CounterKey(NamedTuple):
    """Customer, meter and period of a counter."""

    customer_id: str
    meter_id: str
    period: Period


class CounterAmounts(NamedTuple):
    """Units used (recorded), and units reserved and not yet used or released."""

    used: int
    reserved: int


def read_usage(
    *, project_id: str, keys: Collection[CounterKey], at: datetime, now: datetime | None = None
) -> dict[CounterKey, CounterAmounts]:
    """Usage in the window that holds ``at``, by counter; at most two queries.

    ``now`` is the time of the request (default ``at``). More than an hour in the past it is the
    usage up to ``at`` (to the full hour), and nothing is reserved.
    """
    distinct = list(dict.fromkeys(keys))
    if not distinct:
        return {}
    if now is not None and at < now - RECENT:
        spans = [_span(key, at, until=hour_after(at)) for key in distinct]
        usage = totals.usage_of_spans(project_id=project_id, spans=spans)
        return {key: CounterAmounts(used, 0) for key, used in zip(distinct, usage, strict=True)}
    return _read_current(project_id, distinct, at)


def _read_current(
    project_id: str, keys: list[CounterKey], at: datetime
) -> dict[CounterKey, CounterAmounts]:
    """From counters, and from totals where no counter is in the window."""
    amounts: dict[CounterKey, CounterAmounts] = {}
    reserved: dict[CounterKey, int] = {}
    for key, starts_at, ends_at, used_units, reserved_units in _read_counters(project_id, keys):
        reserved[key] = reserved_units
        if starts_at is None or ends_at is None or at < starts_at:
            continue
        if key.period.is_window(Window(starts_at, ends_at), at=at):
            amounts[key] = CounterAmounts(used_units, reserved_units)
    missing = [key for key in keys if key not in amounts]
    spans = [_span(key, at) for key in missing]
    usage = totals.usage_of_spans(project_id=project_id, spans=spans)
    for key, used in zip(missing, usage, strict=True):
        amounts[key] = CounterAmounts(used, reserved.get(key, 0))
    return amounts


def _read_counters(
    project_id: str, keys: Sequence[CounterKey]
) -> list[tuple[CounterKey, datetime | None, datetime | None, int, int]]:
    """Window, used and reserved units of each counter; no window where there is no counter."""
    parameters: dict[str, Any] = {
        "project": project_id,
        "customers": [key.customer_id for key in keys],
        "meters": [key.meter_id for key in keys],
        "periods": [key.period.key for key in keys],
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNTERS, parameters)
        return [
            (keys[number - 1], starts_at, ends_at, int(used or 0), int(reserved))
            for number, starts_at, ends_at, used, reserved in cursor.fetchall()
        ]


def _span(key: CounterKey, at: datetime, *, until: datetime | None = None) -> Span:
    starts_at, ends_at = key.period.window(at)
    return Span(key.customer_id, key.meter_id, starts_at, min(ends_at, until or ends_at))
