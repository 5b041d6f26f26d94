"""Count a day, and read what was counted."""

from datetime import date, timedelta

from billing.analytics import service as analytics
from billing.analytics.utc_days import end_of
from billing.models import SubscriptionDay
from projects.models import Project

MINUTES = timedelta(minutes=11)
"""After the end of a day, when it is counted."""
MRR_COLUMNS = (
    *("opening_mrr", "new_mrr", "reactivation_mrr", "expansion_mrr", "contraction_mrr"),
    *("churned_mrr", "closing_mrr", "past_due_mrr"),
)


def count_day(day: date) -> None:
    analytics.count_due(at=end_of(day) + MINUTES)


def stored_days(project: Project) -> dict[tuple[date, str], SubscriptionDay]:
    rows = SubscriptionDay.objects.for_project(project)
    return {(row.day, row.currency): row for row in rows}


def mrr(project: Project, day: date, currency: str = "usd") -> dict[str, int]:
    """The columns of the day that are not 0."""
    row = stored_days(project).get((day, currency))
    columns = {name.removesuffix("_mrr"): getattr(row, name, 0) for name in MRR_COLUMNS}
    return {name: value for name, value in columns.items() if value}
