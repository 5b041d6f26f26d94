"""Sums of counted columns over the days of a period, by currency."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from billing.analytics.periods import DateRange, MetricsPeriod
from billing.models import RevenueDay, SubscriptionDay
from common.models import ProjectQuerySet

DayT = TypeVar("DayT", SubscriptionDay, RevenueDay)

Columns = Mapping[str, int]
"""Values by the column's name."""
DaySums = defaultdict[date, defaultdict[str, Counter[str]]]
"""Sums of columns by day and currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRequest:
    """What is reported: the days, cut into periods, of these projects; ``currency`` empty: all."""

    project_ids: Collection[str]
    days: DateRange
    period: MetricsPeriod = MetricsPeriod.DAY
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodRow:
    """The columns of one period in one currency.

    ``is_open``: the period contains today. ``is_estimate``: a day of it was counted late.
    """

    days: DateRange
    currency: str
    columns: Columns
    is_open: bool
    is_estimate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsReport:
    """Rows ordered by period, then by currency. All days before ``counted_until`` are counted;
    None: no day is."""

    rows: Sequence[PeriodRow]
    counted_until: date | None
    at: datetime


def new_sums() -> DaySums:
    """Sums of no days."""
    return defaultdict(lambda: defaultdict(Counter))


def counted_days(
    rows: ProjectQuerySet[DayT], *, request: MetricsRequest, days: DateRange
) -> ProjectQuerySet[DayT]:
    """Those of the counted rows that the request is about, within these days."""
    rows = rows.filter(project_id__in=request.project_ids, day__gte=days.first, day__lt=days.before)
    return rows.filter(currency=request.currency) if request.currency else rows


def add_up(period: DateRange, sums: DaySums) -> dict[str, Counter[str]]:
    """The sums over the days of the period, by currency."""
    total: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for day in [day for day in sums if day in period]:
        for currency, columns in sums[day].items():
            total[currency].update(columns)
    return total
