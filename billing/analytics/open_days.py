"""Subscriptions since the last counted day, live: that day's rows and what has changed since.

Only subscriptions whose mirror has changed since the last counted day are read, so the cost grows
with the changes of the day and not with the number of subscriptions. Pages of spans that a worker
has written for the next day, before its rows, are not read: they are a part of that day only.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from billing.analytics import selectors as stored
from billing.analytics.mrr_changes import CustomerChange, add_change
from billing.analytics.subscription_states import (
    NEVER_BEGAN,
    SubscriptionState,
    state_before,
)
from billing.analytics.utc_days import DAY, day_of, start_of
from billing.models import Subscription, SubscriptionDay, SubscriptionSpan
from billing.models.subscription_span import SpanStatus

CustomerKey = tuple[str, str, str]
"""Project id, customer id and currency."""
OpenDays = dict[tuple[str, str], SubscriptionDay]
"""Rows by project id and currency."""

CARRIED = ("active", "trialing", "past_due", "unpaid", "paused", "customers", "past_due_mrr")
"""Columns that begin with their values of the day before."""


def count(*, project_ids: Collection[str], next_day: date, at: datetime) -> OpenDays:
    """The rows of the time from ``next_day`` until now, dated today. They are not stored.

    All days of these projects before ``next_day`` are counted. Eight queries at most.
    """
    days = OpenDayTable(project_ids, next_day, at)
    changed = stored.changed_subscriptions(project_ids=project_ids, since=start_of(next_day))
    rows = list(stored.with_items(changed))
    coupons = stored.coupons_of(rows)
    states = {row.pk: state_before(row, moment=at, coupons=coupons) for row in rows}
    spans = stored.spans_of_customers(project_ids=project_ids, changed=changed) if rows else []
    for row in rows:
        days.count_row(row, states[row.pk])
    for key, change in _changes(rows, states, spans, next_day).items():
        add_change(days.row(key[0], key[2]), change)
    for span in spans:
        if _lasted_until(span, next_day) and span.subscription_id in states:
            days.add_state(span.project_id, SubscriptionState.of_span(span), -1)
    return days.rows


def count_all(*, next_days: Mapping[str, date], at: datetime) -> OpenDays:
    """The rows of projects by their first day that is not counted: eight queries at most for each
    of these days, which mostly is the same for all."""
    project_ids: defaultdict[date, list[str]] = defaultdict(list)
    for project_id, next_day in next_days.items():
        project_ids[next_day].append(project_id)
    rows: OpenDays = {}
    for next_day, ids in project_ids.items():
        rows |= count(project_ids=ids, next_day=next_day, at=at)
    return rows


class OpenDayTable:
    """The rows of today; a row begins with what the last counted day ended with."""

    def __init__(self, project_ids: Collection[str], next_day: date, at: datetime) -> None:
        self._since, self._at = start_of(next_day), at
        self.rows: OpenDays = {}
        for last in stored.days_of(project_ids=project_ids, day=next_day - DAY):
            row = self.row(last.project_id, last.currency)
            row.opening_mrr = row.closing_mrr = last.closing_mrr
            for name in CARRIED:
                setattr(row, name, getattr(last, name))

    def row(self, project_id: str, currency: str) -> SubscriptionDay:
        key = (project_id, currency)
        if key not in self.rows:
            self.rows[key] = SubscriptionDay(
                project_id=project_id,
                day=day_of(self._at),
                currency=currency,
                counted_at=self._at,
            )
        return self.rows[key]

    def count_row(self, row: Subscription, state: SubscriptionState | None) -> None:
        """Count what the subscription is now, and whether it began or ended since."""
        if state is not None:
            self.add_state(row.project_id, state, 1)
        if row.status in NEVER_BEGAN or not row.currency:
            return
        day = self.row(row.project_id, row.currency)
        day.started += row.started_at >= self._since
        day.canceled += row.ended_at is not None and row.ended_at >= self._since

    def add_state(self, project_id: str, state: SubscriptionState, number: int) -> None:
        """Count a subscription in this state, or with -1 stop counting it."""
        row = self.row(project_id, state.currency)
        setattr(row, state.status, getattr(row, state.status) + number)
        if state.status == SpanStatus.PAST_DUE:
            row.past_due_mrr += number * state.amount


def _changes(
    rows: Sequence[Subscription],
    states: dict[str, SubscriptionState | None],
    spans: Sequence[SubscriptionSpan],
    next_day: date,
) -> dict[CustomerKey, CustomerChange]:
    """The change of each customer of a changed subscription, by currency."""
    before, after, was_past_due, is_past_due = (Counter[CustomerKey]() for _ in range(4))
    had_mrr: defaultdict[CustomerKey, bool] = defaultdict(bool)
    for span in spans:
        key = (span.project_id, span.customer_id, span.currency)
        state = SubscriptionState.of_span(span)
        had_mrr[key] |= state.mrr > 0 and span.starts_on < next_day
        if _lasted_until(span, next_day):
            is_changed = span.subscription_id in states
            before[key] += state.mrr
            after[key] += 0 if is_changed else state.mrr
            was_past_due[key] += state.status == SpanStatus.PAST_DUE
            is_past_due[key] += state.status == SpanStatus.PAST_DUE and not is_changed
    for row in rows:
        new_state = states[row.pk]
        if new_state is not None:
            key = (row.project_id, row.customer_id, new_state.currency)
            after[key] += new_state.mrr
            is_past_due[key] += new_state.status == SpanStatus.PAST_DUE
    return {
        key: CustomerChange(
            before=before[key],
            after=after[key],
            had_mrr=had_mrr[key],
            was_past_due=was_past_due[key] > 0,
            is_past_due=is_past_due[key] > 0,
        )
        for key in before.keys() | after.keys()
    }


def _lasted_until(span: SubscriptionSpan, next_day: date) -> bool:
    """Whether the span contains the last counted day, the one before ``next_day``."""
    return span.starts_on < next_day <= span.ends_on
