"""Count a day of a project's subscriptions from their spans, and store the day."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Min, Q, QuerySet, Sum

from billing.analytics import selectors as stored
from billing.analytics.mrr_changes import CustomerChange, add_change
from billing.analytics.utc_days import DAY
from billing.models import SubscriptionDay, SubscriptionSpan
from billing.models.subscription_span import SpanStatus
from common.models import ProjectQuerySet

NOT_COUNTED = frozenset({"id", "project", "day", "currency", "is_estimate", "counted_at"})
COUNTED = tuple(
    field.name for field in SubscriptionDay._meta.fields if field.name not in NOT_COUNTED
)
"""The columns that a count fills."""


class DayTable:
    """The rows of one day, by currency; a row begins with zeros."""

    def __init__(self, *, project_id: str, day: date, at: datetime) -> None:
        self._project_id, self._day, self._at = project_id, day, at
        self.rows: dict[str, SubscriptionDay] = {}

    def row(self, currency: str) -> SubscriptionDay:
        if currency not in self.rows:
            self.rows[currency] = SubscriptionDay(
                project_id=self._project_id, day=self._day, currency=currency, counted_at=self._at
            )
        return self.rows[currency]


def count(*, project_id: str, day: date, at: datetime) -> dict[str, SubscriptionDay]:
    """The rows of the day by currency, not stored; empty rows are left out. Six queries.

    All of them come from the spans, except for the numbers of subscriptions that began and ended,
    which come from the times that the mirrors store.
    """
    table = DayTable(project_id=project_id, day=day, at=at)
    _count_opening(table, project_id, day)
    for change, currency in _changes(project_id, day):
        add_change(table.row(currency), change)
    _count_states(table, project_id, day)
    for name, rows in (
        ("started", stored.started_on(project_id=project_id, day=day)),
        ("canceled", stored.canceled_on(project_id=project_id, day=day)),
    ):
        for currency, number in rows.values_list("currency").annotate(n=Count("pk")).order_by():
            if currency:
                setattr(table.row(currency), name, number)
    return {currency: row for currency, row in table.rows.items() if not is_empty(row)}


def is_empty(row: SubscriptionDay) -> bool:
    """Whether the row says nothing: every count is 0."""
    return not any(getattr(row, name) for name in COUNTED)


def difference(
    stored_row: SubscriptionDay | None, counted: SubscriptionDay | None
) -> dict[str, tuple[int, int]]:
    """Columns that differ, with the stored and the counted value. A missing row is all zeros."""
    pairs = {name: (getattr(stored_row, name, 0), getattr(counted, name, 0)) for name in COUNTED}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def store(*, project_id: str, day: date, rows: dict[str, SubscriptionDay]) -> None:
    """Replace the rows of the day."""
    days = SubscriptionDay.objects.for_project(project_id)
    days.filter(day=day).delete()
    days.bulk_create(rows.values())


def _count_opening(table: DayTable, project_id: str, day: date) -> None:
    """MRR and customers at the end of the day before, from its spans."""
    spans = stored.spans_on(project_id=project_id, day=day - DAY).filter(IS_MRR)
    sums = (
        spans.order_by()
        .values_list("currency")
        .annotate(mrr=Sum("amount"), customers=Count("customer", distinct=True))
    )
    for currency, mrr, customers in sums:
        row = table.row(currency)
        row.opening_mrr = row.closing_mrr = mrr
        row.customers = customers


IS_MRR = Q(status=SpanStatus.ACTIVE, amount__gt=0)
"""Condition of spans that count towards MRR."""


def _count_states(table: DayTable, project_id: str, day: date) -> None:
    spans = stored.spans_on(project_id=project_id, day=day).order_by()
    sums = spans.values_list("currency", "status").annotate(n=Count("pk"), amount=Sum("amount"))
    for currency, status, number, amount in sums:
        row = table.row(currency)
        setattr(row, status, number)
        if status == SpanStatus.PAST_DUE:
            row.past_due_mrr = amount


def _changes(project_id: str, day: date) -> Iterator[tuple[CustomerChange, str]]:
    """The change of each customer and currency with a span that begins or ends with the day."""
    spans = SubscriptionSpan.objects.for_project(project_id)
    customers = _customers_changed_on(spans, day)
    before, after = _contains(day - DAY), _contains(day)
    is_past_due = Q(status=SpanStatus.PAST_DUE)
    sums = (
        spans.filter(customer__in=customers, starts_on__lte=day)
        .order_by()
        .values("customer", "currency")
        .annotate(
            before=Sum("amount", filter=IS_MRR & before, default=0),
            after=Sum("amount", filter=IS_MRR & after, default=0),
            first=Min("starts_on", filter=IS_MRR),
            was_past_due=Count("pk", filter=is_past_due & before),
            is_past_due=Count("pk", filter=is_past_due & after),
        )
    )
    for row in sums.iterator():
        yield _change(row, day), row["currency"]


def _change(row: Mapping[str, Any], day: date) -> CustomerChange:
    return CustomerChange(
        before=row["before"],
        after=row["after"],
        had_mrr=row["first"] is not None and row["first"] < day,
        was_past_due=row["was_past_due"] > 0,
        is_past_due=row["is_past_due"] > 0,
    )


def _customers_changed_on(
    spans: ProjectQuerySet[SubscriptionSpan], day: date
) -> QuerySet[SubscriptionSpan, Any]:
    began = spans.filter(starts_on=day).values("customer")
    ended = spans.filter(ends_on=day).values("customer")
    return began.union(ended)


def _contains(day: date) -> Q:
    return Q(starts_on__lte=day, ends_on__gt=day)
