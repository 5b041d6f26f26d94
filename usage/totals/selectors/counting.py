"""How much customers have used in the periods that limits are held against."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from usage.periods import Period, Window
from usage.totals.aggregation import hour_after
from usage.totals.selectors import totals
from usage.totals.selectors.totals import Span

RECENT = timedelta(hours=1)
"""A counter knows only the present; what is asked of an earlier moment is read from totals."""

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
"""What is set aside in any counter of customer and meter will be used in each of them."""


class Ask(NamedTuple):
    """Whose use of what, in which period."""

    customer_id: str
    meter_id: str
    period: Period


class Used(NamedTuple):
    """``used`` is recorded, ``reserved`` promised and neither used nor given back yet."""

    used: int
    reserved: int


def used(
    *, project_id: str, asks: Collection[Ask], at: datetime, now: datetime | None = None
) -> dict[Ask, Used]:
    """What was used in the window that holds ``at``, for each of these; at most two queries.

    ``now`` is when this is asked, unless that is ``at``. Of a moment more than an hour ago it is
    what was used up to that moment (to the full hour), and nothing is reserved.
    """
    asked = list(dict.fromkeys(asks))
    if not asked:
        return {}
    if now is not None and at < now - RECENT:
        spans = [_span(ask, at, until=hour_after(at)) for ask in asked]
        figures = totals.figures(project_id=project_id, spans=spans)
        return {ask: Used(figure, 0) for ask, figure in zip(asked, figures, strict=True)}
    return _now(project_id, asked, at)


def _now(project_id: str, asked: list[Ask], at: datetime) -> dict[Ask, Used]:
    """From counters, and from totals where there is none of the running window."""
    found: dict[Ask, Used] = {}
    reserved: dict[Ask, int] = {}
    for ask, starts_at, ends_at, counted, promised in _counters(project_id, asked):
        reserved[ask] = promised
        if starts_at is None or ends_at is None or at < starts_at:
            continue
        if ask.period.is_window(Window(starts_at, ends_at), at=at):
            found[ask] = Used(counted, promised)
    missing = [ask for ask in asked if ask not in found]
    spans = [_span(ask, at) for ask in missing]
    figures = totals.figures(project_id=project_id, spans=spans)
    for ask, figure in zip(missing, figures, strict=True):
        found[ask] = Used(figure, reserved.get(ask, 0))
    return found


def _counters(
    project_id: str, asked: Sequence[Ask]
) -> list[tuple[Ask, datetime | None, datetime | None, int, int]]:
    """Of each ask its counter, without a window where there is none, and what is set aside."""
    given: dict[str, Any] = {
        "project": project_id,
        "customers": [ask.customer_id for ask in asked],
        "meters": [ask.meter_id for ask in asked],
        "periods": [ask.period.key for ask in asked],
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNTERS, given)
        return [
            (asked[number - 1], starts_at, ends_at, int(counted or 0), int(promised))
            for number, starts_at, ends_at, counted, promised in cursor.fetchall()
        ]


def _span(ask: Ask, at: datetime, *, until: datetime | None = None) -> Span:
    starts_at, ends_at = ask.period.window(at)
    return Span(ask.customer_id, ask.meter_id, starts_at, min(ends_at, until or ends_at))
