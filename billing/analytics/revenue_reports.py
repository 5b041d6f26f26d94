"""Money of periods: counted days added up, and the days since then counted live. At most four
queries."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Sum

from billing.analytics import revenue_days
from billing.analytics import selectors as stored
from billing.analytics.period_sums import (
    Columns,
    MetricsReport,
    MetricsRequest,
    PeriodRow,
    add_up,
    counted_days,
    new_sums,
)
from billing.analytics.periods import DateRange, split
from billing.analytics.revenue_days import RevenueDays
from billing.analytics.utc_days import day_of, start_of
from billing.models import RevenueDay


def report(request: MetricsRequest, *, at: datetime) -> MetricsReport:
    """Money of each period."""
    today = day_of(at)
    counted = CountedRevenue(request)
    sums = new_sums()
    for (_, day, currency), row in counted.live_rows(at=at).items():
        sums[day][currency].update(columns_of(row))
    for group, columns in counted.sums("day"):
        sums[group["day"]][group["currency"]].update(columns)
    rows = [
        PeriodRow(days=period, currency=currency, columns=columns, is_open=today in period)
        for period in split(request.days, request.period)
        for currency, columns in sorted(add_up(period, sums).items())
    ]
    return MetricsReport(rows=rows, counted_until=counted.until, at=at)


class CountedRevenue:
    """Counted and live rows of money: each day of each project is in exactly one of them.

    Days before ``until`` are counted, of all projects that have been counted at all.
    """

    def __init__(self, request: MetricsRequest) -> None:
        self._request = request
        times = stored.revenue_times(project_ids=request.project_ids)
        self._counted_ids = list(times)
        self.until = min(map(day_of, times.values()), default=None)
        first, before = request.days.first, request.days.before
        self._live_from = min(max(self.until or first, first), before)

    def live_rows(self, *, at: datetime) -> RevenueDays:
        """The days that are not counted; all days of projects that are not counted yet."""
        days = self._request.days
        rows = self._count(self._counted_ids, DateRange(self._live_from, days.before), at)
        if uncounted := set(self._request.project_ids) - set(self._counted_ids):
            rows |= self._count(uncounted, days, at)
        currency = self._request.currency
        return {key: row for key, row in rows.items() if currency in ("", key[2])}

    def sums(self, group: str) -> Iterator[tuple[Mapping[str, Any], Counter[str]]]:
        """The sums of the counted rows by this column and the currency. One query."""
        days = DateRange(self._request.days.first, self._live_from)
        rows = counted_days(
            RevenueDay.objects.across_projects(), request=self._request, days=days
        ).filter(project_id__in=self._counted_ids)
        columns: dict[str, Any] = {f"{name}_sum": Sum(name) for name in revenue_days.COUNTED}
        counted: Iterable[Mapping[str, Any]] = (
            rows.order_by().values(group, "currency").annotate(**columns)
        )
        for row in counted:
            yield row, Counter({name: row[f"{name}_sum"] for name in revenue_days.COUNTED})

    def _count(self, project_ids: Collection[str], days: DateRange, at: datetime) -> RevenueDays:
        return revenue_days.count(
            project_ids=project_ids, start=start_of(days.first), end=start_of(days.before), at=at
        )


def columns_of(row: RevenueDay) -> dict[str, int]:
    """The row's columns by name."""
    return {name: getattr(row, name) for name in revenue_days.COUNTED}


def net_of(columns: Columns) -> int:
    """What is left of the money received, before Stripe's fees."""
    return columns["gross"] - columns["refunded"] - columns["disputed"]
