"""Metrics of several projects side by side: one row per project and currency for all days.

The number of queries does not depend on the number of projects, days or currencies.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import IntegerField, Max, Sum
from django.db.models.functions import Cast

from billing.analytics import open_days, subscription_days
from billing.analytics import selectors as stored
from billing.analytics.period_sums import MetricsRequest, PeriodRow, counted_days
from billing.analytics.revenue_reports import CountedRevenue
from billing.analytics.revenue_reports import columns_of as revenue_columns
from billing.analytics.subscription_reports import CHANGES, columns_of, with_opening
from billing.analytics.utc_days import day_of
from billing.models import SubscriptionDay

ProjectRows = Mapping[str, list[PeriodRow]]
"""Rows by project id, ordered by currency."""
ProjectSums = defaultdict[tuple[str, str], Counter[str]]
"""Sums of columns by project id and currency."""


def report_subscriptions(request: MetricsRequest, *, at: datetime) -> ProjectRows:
    """Subscriptions and MRR of each project over all days of the request.

    A project whose last day is over and not counted yet has no row. Eleven queries.
    """
    is_open = day_of(at) in request.days
    next_days = stored.next_days(project_ids=request.project_ids)
    sums, ends = _counted_changes(request), _new_sums()
    if not is_open:
        ends = _last_days(request)
    else:
        for key, row in open_days.count_all(next_days=next_days, at=at).items():
            if request.currency in ("", key[1]):
                ends[key] = Counter(columns_of(row))
                sums[key].update({name: ends[key][name] for name in CHANGES})
    rows: defaultdict[str, list[PeriodRow]] = defaultdict(list)
    for project_id, currency in sorted(sums.keys() | ends.keys()):
        if is_open or request.days.last < next_days[project_id]:
            key = (project_id, currency)
            rows[project_id].append(_row(request, currency, sums[key], ends[key], is_open))
    return rows


def report_revenue(request: MetricsRequest, *, at: datetime) -> ProjectRows:
    """Money of each project over all days of the request. At most four queries."""
    counted = CountedRevenue(request)
    sums = _new_sums()
    for (project_id, _, currency), row in counted.live_rows(at=at).items():
        sums[project_id, currency].update(revenue_columns(row))
    for group, columns in counted.sums("project_id"):
        sums[group["project_id"], group["currency"]].update(columns)
    rows: defaultdict[str, list[PeriodRow]] = defaultdict(list)
    for (project_id, currency), columns in sorted(sums.items()):
        rows[project_id].append(
            PeriodRow(
                days=request.days,
                currency=currency,
                columns=columns,
                is_open=day_of(at) in request.days,
            )
        )
    return rows


def _new_sums() -> ProjectSums:
    return defaultdict(Counter)


def _row(
    request: MetricsRequest,
    currency: str,
    changes: Counter[str],
    end: Counter[str],
    is_open: bool,
) -> PeriodRow:
    columns = {
        name: changes[name] if name in CHANGES else end[name] for name in subscription_days.COUNTED
    }
    return PeriodRow(
        days=request.days,
        currency=currency,
        columns=with_opening(columns),
        is_open=is_open,
        is_estimate=changes["is_estimate"] > 0,
    )


def _counted_changes(request: MetricsRequest) -> ProjectSums:
    """What changed on the counted days. One query."""
    days = counted_days(
        SubscriptionDay.objects.across_projects(), request=request, days=request.days
    )
    columns: dict[str, Any] = {f"{name}_sum": Sum(name) for name in CHANGES}
    estimates = Max(Cast("is_estimate", IntegerField()))
    counted: Any = days.order_by().values("project_id", "currency")
    sums = _new_sums()
    for row in counted.annotate(is_estimate_sum=estimates, **columns):
        sums[row["project_id"], row["currency"]] = Counter(
            {name.removesuffix("_sum"): row[name] for name in row if name.endswith("_sum")}
        )
    return sums


def _last_days(request: MetricsRequest) -> ProjectSums:
    """The rows of the last day. One query."""
    rows = stored.days_of(project_ids=request.project_ids, day=request.days.last)
    ends = _new_sums()
    for row in rows:
        if request.currency in ("", row.currency):
            ends[row.project_id, row.currency] = Counter(columns_of(row))
    return ends
