"""Subscriptions and MRR of periods: counted days added up, and the time since then counted live.

The number of queries does not depend on the number of projects, days or currencies.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import IntegerField, Max, Sum
from django.db.models.functions import Cast

from billing.analytics import open_days, subscription_days
from billing.analytics import selectors as stored
from billing.analytics.period_sums import (
    Columns,
    DaySums,
    MetricsReport,
    MetricsRequest,
    PeriodRow,
    add_up,
    counted_days,
    new_sums,
)
from billing.analytics.periods import DateRange, split
from billing.analytics.selectors import NEVER
from billing.analytics.utc_days import day_of
from billing.models import SubscriptionDay

CHANGES = (
    *("started", "canceled", "new_customers", "reactivated_customers", "churned_customers"),
    *("new_mrr", "reactivation_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr"),
    *("churned_past_due_mrr", "recovered_mrr"),
)
"""Columns that add up over days; the others are as they are at the end of the last day."""


def report(request: MetricsRequest, *, at: datetime) -> MetricsReport:
    """Subscriptions and MRR of each period. A day that is over and not counted yet has no row."""
    today, next_days = day_of(at), stored.next_days(project_ids=request.project_ids)
    counted_until = min((day for day in next_days.values() if day != NEVER), default=NEVER)
    days = _subscription_days(request)
    open_rows = _open_rows(request, next_days, at) if today in request.days else {}
    rows: list[PeriodRow] = []
    for period in split(request.days, request.period):
        is_open = today in period
        if period.last < counted_until or is_open:
            rows += _subscription_rows(period, days, open_rows if is_open else {}, today)
    return MetricsReport(
        rows=rows, counted_until=None if counted_until == NEVER else counted_until, at=at
    )


def _subscription_days(request: MetricsRequest) -> DaySums:
    """The sums of the counted rows over all projects. One query."""
    rows = counted_days(
        SubscriptionDay.objects.across_projects(), request=request, days=request.days
    )
    sums = rows.order_by().values("day", "currency")
    estimates = Max(Cast("is_estimate", IntegerField()))
    columns = {f"{name}_sum": Sum(name) for name in subscription_days.COUNTED}
    days = new_sums()
    counted: Iterable[Mapping[str, Any]] = sums.annotate(is_estimate_sum=estimates, **columns)
    for row in counted:
        days[row["day"]][row["currency"]] = Counter(
            {name.removesuffix("_sum"): row[name] for name in row if name.endswith("_sum")}
        )
    return days


def _open_rows(
    request: MetricsRequest, next_days: Mapping[str, date], at: datetime
) -> dict[str, Counter[str]]:
    """Sums of the live rows by currency."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (_, currency), row in open_days.count_all(next_days=next_days, at=at).items():
        if not request.currency or currency == request.currency:
            sums[currency].update(columns_of(row))
    return sums


def _subscription_rows(
    period: DateRange, days: DaySums, open_rows: Mapping[str, Counter[str]], today: date
) -> Iterator[PeriodRow]:
    changes = add_up(period, days)
    last = open_rows or days.get(period.last, {})
    for currency in sorted(changes.keys() | open_rows.keys()):
        end: Columns = last.get(currency, Counter())
        changed = Counter(changes.get(currency, Counter()))
        changed.update(open_rows.get(currency, Counter()))
        columns = {
            name: changed[name] if name in CHANGES else end.get(name, 0)
            for name in subscription_days.COUNTED
        }
        yield PeriodRow(
            days=period,
            currency=currency,
            columns=with_opening(columns),
            is_open=today in period,
            is_estimate=changed["is_estimate"] > 0,
        )


def columns_of(row: SubscriptionDay) -> dict[str, int]:
    """The row's columns by name."""
    return {name: getattr(row, name) for name in subscription_days.COUNTED}


def with_opening(columns: Columns) -> Columns:
    """The columns with the MRR at the beginning: that at the end without the changes."""
    gained = columns["new_mrr"] + columns["reactivation_mrr"] + columns["expansion_mrr"]
    lost = columns["contraction_mrr"] + columns["churned_mrr"]
    return {**columns, "opening_mrr": columns["closing_mrr"] - gained + lost}
