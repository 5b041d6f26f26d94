"""Metrics as JSON for tenants. Amounts are minor units of the row's currency."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from billing.analytics import revenue_reports
from billing.analytics.period_sums import MetricsReport, MetricsRequest, PeriodRow
from billing.analytics.periods import MetricsPeriod
from common.bodies import Day, Time
from common.times import rfc3339
from projects.models import Project


class SubscriptionCountsBody(TypedDict):
    """Numbers of subscriptions."""

    active: Annotated[int, "At the end of the period."]
    trialing: Annotated[int, "At the end of the period."]
    past_due: Annotated[int, "At the end of the period: a payment has failed and is tried again."]
    unpaid: Annotated[int, "At the end of the period: a payment has failed for good."]
    paused: Annotated[int, "At the end of the period: nothing is collected."]
    started: Annotated[int, "Began in the period, with or without a trial."]
    canceled: Annotated[int, "Ended in the period, with or without MRR."]


class CustomerCountsBody(TypedDict):
    """Numbers of customers with MRR in this currency."""

    total: Annotated[int, "At the end of the period."]
    new: Annotated[int, "Had MRR for the first time."]
    reactivated: Annotated[int, "Had MRR again, after days without it."]
    churned: Annotated[int, "Lost all of their MRR."]


class MonthlyRevenueBody(TypedDict):
    """Monthly recurring revenue in minor units: opening + new + reactivation + expansion -
    contraction - churn = closing."""

    opening: int
    new: Annotated[int, "Of customers who had none before."]
    reactivation: Annotated[int, "Of customers who had MRR before, had none, and have it again."]
    expansion: Annotated[int, "More from customers who already had MRR."]
    contraction: Annotated[int, "Less from customers who still have MRR."]
    churn: Annotated[int, "Of customers who have none any more."]
    closing: int
    reactivation_recovered: Annotated[
        int, "The part of `reactivation` of customers whose payment was past due."
    ]
    churn_past_due: Annotated[int, "The part of `churn` of customers whose payment is past due."]
    past_due: Annotated[
        int, "What past due subscriptions would bring at the end of the period; not in `closing`."
    ]


class SubscriptionMetricsRowBody(TypedDict):
    """A period in one currency. Currencies are never added."""

    starts_on: Annotated[Day, "First day of the period."]
    ends_before: Annotated[Day, "First day after the period."]
    currency: str
    is_open: Annotated[bool, "Whether the period contains today, which is counted until now."]
    is_estimate: Annotated[
        bool, "Whether a day of it was counted more than an hour late: see docs/metrics.md."
    ]
    subscriptions: SubscriptionCountsBody
    customers: CustomerCountsBody
    mrr: MonthlyRevenueBody


class RevenueRowBody(TypedDict):
    """Money that moved in a period, in minor units of one currency."""

    starts_on: Annotated[Day, "First day of the period."]
    ends_before: Annotated[Day, "First day after the period."]
    currency: str
    is_open: Annotated[bool, "Whether the period contains today, which is counted until now."]
    payments: Annotated[int, "Number of payments that were paid."]
    gross: Annotated[int, "Received with them."]
    refunds: Annotated[int, "Number of refunds that were made and have succeeded."]
    refunded: Annotated[int, "Given back with them."]
    disputes: Annotated[int, "Number of disputes that were opened, without those that are won."]
    disputed: Annotated[int, "Withheld by the banks because of them, for now or for good."]
    net: Annotated[int, "gross - refunded - disputed: before Stripe's fees."]
    fees: Annotated[int | None, "Stripe's fees. Always null: Tollgate does not read them."]


class MetricsHeadBody(TypedDict):
    """What the rows are about."""

    project: Annotated[str | None, "Null: all projects of the mode."]
    livemode: Annotated[bool, "Live and test projects are never added."]
    period: Annotated[str, MetricsPeriod]
    first_day: Annotated[Day, "First day of the answer."]
    before_day: Annotated[Day, "First day after it."]
    counted_until: Annotated[
        Day | None,
        "All days before this one are counted and stored. Null: the days are not counted yet.",
    ]
    as_of: Annotated[Time, "When the open days were counted."]


class SubscriptionMetricsBody(MetricsHeadBody):
    """Subscriptions and MRR by period and currency, oldest first."""

    data: list[SubscriptionMetricsRowBody]


class RevenueMetricsBody(MetricsHeadBody):
    """Money by period and currency, oldest first."""

    data: list[RevenueRowBody]


class ProjectTotalsBody(TypedDict):
    """A project's metrics over the days of the request, by currency."""

    project: str
    name: str
    slug: str
    livemode: bool
    subscriptions: Annotated[
        list[SubscriptionMetricsRowBody], "Empty until the last of the days is counted."
    ]
    revenue: list[RevenueRowBody]


def project_totals(
    project: Project, *, subscriptions: Sequence[PeriodRow], revenue: Sequence[PeriodRow]
) -> ProjectTotalsBody:
    """One project of the list."""
    return {
        "project": project.pk,
        "name": project.name,
        "slug": project.slug,
        "livemode": project.livemode,
        "subscriptions": [subscription_row(row) for row in subscriptions],
        "revenue": [revenue_row(row) for row in revenue],
    }


def subscription_metrics(
    request: MetricsRequest, report: MetricsReport, *, project_id: str | None, livemode: bool
) -> SubscriptionMetricsBody:
    """The whole answer of a report on subscriptions."""
    return {
        **_head(request, report, project_id, livemode),
        "data": [subscription_row(row) for row in report.rows],
    }


def revenue_metrics(
    request: MetricsRequest, report: MetricsReport, *, project_id: str | None, livemode: bool
) -> RevenueMetricsBody:
    """The whole answer of a report on revenue."""
    return {
        **_head(request, report, project_id, livemode),
        "data": [revenue_row(row) for row in report.rows],
    }


def _head(
    request: MetricsRequest, report: MetricsReport, project_id: str | None, livemode: bool
) -> MetricsHeadBody:
    counted_until = report.counted_until
    return {
        "project": project_id,
        "livemode": livemode,
        "period": request.period.value,
        "first_day": request.days.first.isoformat(),
        "before_day": request.days.before.isoformat(),
        "counted_until": None if counted_until is None else counted_until.isoformat(),
        "as_of": rfc3339(report.at),
    }


def subscription_row(row: PeriodRow) -> SubscriptionMetricsRowBody:
    """One period in one currency."""
    columns = row.columns
    return {
        "starts_on": row.days.first.isoformat(),
        "ends_before": row.days.before.isoformat(),
        "currency": row.currency,
        "is_open": row.is_open,
        "is_estimate": row.is_estimate,
        "subscriptions": {
            "active": columns["active"],
            "trialing": columns["trialing"],
            "past_due": columns["past_due"],
            "unpaid": columns["unpaid"],
            "paused": columns["paused"],
            "started": columns["started"],
            "canceled": columns["canceled"],
        },
        "customers": {
            "total": columns["customers"],
            "new": columns["new_customers"],
            "reactivated": columns["reactivated_customers"],
            "churned": columns["churned_customers"],
        },
        "mrr": {
            "opening": columns["opening_mrr"],
            "new": columns["new_mrr"],
            "reactivation": columns["reactivation_mrr"],
            "expansion": columns["expansion_mrr"],
            "contraction": columns["contraction_mrr"],
            "churn": columns["churned_mrr"],
            "closing": columns["closing_mrr"],
            "reactivation_recovered": columns["recovered_mrr"],
            "churn_past_due": columns["churned_past_due_mrr"],
            "past_due": columns["past_due_mrr"],
        },
    }


def revenue_row(row: PeriodRow) -> RevenueRowBody:
    """One period in one currency."""
    columns = row.columns
    return {
        "starts_on": row.days.first.isoformat(),
        "ends_before": row.days.before.isoformat(),
        "currency": row.currency,
        "is_open": row.is_open,
        "payments": columns["payments"],
        "gross": columns["gross"],
        "refunds": columns["refunds"],
        "refunded": columns["refunded"],
        "disputes": columns["disputes"],
        "disputed": columns["disputed"],
        "net": revenue_reports.net_of(columns),
        "fees": None,
    }
