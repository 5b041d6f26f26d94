"""The laws of counted days: what is stored equals what is counted again.

* The span of a subscription that lasts is what the mirror says, unless the mirror has changed since
  the last counted day.
* The rows of a day are the sums of its spans.
* The rows of money are the sums of the mirrors of payments, refunds and disputes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from billing.analytics import revenue_days, spans, subscription_days
from billing.analytics import selectors as stored
from billing.analytics.service import MAX_DAYS
from billing.analytics.subscription_states import Coupons, SubscriptionState, state_before
from billing.analytics.utc_days import DAY, day_of, days_between, start_of
from billing.models import AnalyticsProgress, Subscription

CHECKED_DAYS = 35
"""Days before the last counted one whose rows are counted again. Older spans do not change."""
PAGE = 100
"""Subscriptions whose spans are compared together."""


@dataclass(frozen=True, slots=True)
class CountMismatch:
    """Something of a project that was counted otherwise. ``subject``: the project or subscription
    by its id."""

    project_id: str
    subject: str
    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class CountCheck:
    """One page of a check. ``after`` is the next page's cursor; empty after the last page."""

    checked: int
    mismatches: Sequence[CountMismatch]
    after: str


def check_spans(*, after: str, repair: bool, at: datetime, project_id: str) -> CountCheck:
    """Compare the spans of the next subscriptions with their mirrors."""
    rows = stored.subscriptions_after(after=after, project_id=project_id, limit=PAGE)
    next_days = {
        progress.project_id: progress.next_day
        for progress in stored.progress_of(project_ids={row.project_id for row in rows})
    }
    coupons, open_spans = stored.coupons_of(rows), stored.open_spans(rows)
    mismatches = []
    for row in rows:
        next_day = next_days.get(row.project_id)
        if next_day is None or _has_changed(row, coupons, start_of(next_day)):
            continue
        span = open_spans.get(row.pk)
        state = state_before(row, moment=start_of(next_day), coupons=coupons)
        counted = None if span is None else SubscriptionState.of_span(span)
        if state != counted:
            what = f"span of {row.pk}: {_words(counted)} -> {_words(state)}"
            mismatches.append(CountMismatch(row.project_id, row.pk, what))
            if repair:
                _repair_span(row, next_day, at)
    return CountCheck(len(rows), mismatches, rows[-1].pk if len(rows) == PAGE else "")


def check_days(*, after: str, repair: bool, at: datetime, project_id: str) -> CountCheck:
    """Count the last days of the next project again."""
    with transaction.atomic():
        progress = stored.lock_next(after=after, project_id=project_id)
        if progress is None:
            return CountCheck(0, [], "")
        mismatches, checked = [], 0
        for day in _checked_days(progress):
            checked += 1
            mismatches += _check_day(progress.project_id, day, repair=repair, at=at)
    return CountCheck(checked, mismatches, progress.project_id)


def check_revenue(*, after: str, repair: bool, at: datetime, project_id: str) -> CountCheck:
    """Count all days of money of the next project again."""
    with transaction.atomic():
        progress = stored.lock_next(after=after, project_id=project_id)
        if progress is None:
            return CountCheck(0, [], "")
        if progress.revenue_counted_at is None:
            return CountCheck(0, [], progress.project_id)
        end = start_of(day_of(progress.revenue_counted_at))
        differing = revenue_days.recount(
            project_id=progress.project_id, start=end - MAX_DAYS * DAY, end=end, at=at, store=repair
        )
    mismatches = [
        CountMismatch(
            progress.project_id,
            progress.project_id,
            f"money of {progress.project_id} on {day} in {currency}: {_changes(columns)}",
        )
        for day, currency, columns in differing
    ]
    return CountCheck(MAX_DAYS, mismatches, progress.project_id)


def _has_changed(row: Subscription, coupons: Coupons, since: datetime) -> bool:
    """Whether the subscription or a coupon of it has changed since the last counted day."""
    of_row = [coupons[each["coupon"]] for each in row.discounts if each["coupon"] in coupons]
    return any(mirror.updated_at >= since for mirror in (row, *of_row))


def _repair_span(row: Subscription, next_day: date, at: datetime) -> None:
    """Write the span anew from the last counted day on, and count that day again."""
    day = next_day - DAY
    with transaction.atomic():
        progress = stored.lock(project=row.project_id)
        if progress is None or progress.next_day != next_day:
            return
        spans.write_day(project_id=row.project_id, rows=[row], day=day, is_late=False)
        _check_day(row.project_id, day, repair=True, at=at)


def _checked_days(progress: AnalyticsProgress) -> list[date]:
    if progress.first_day is None or progress.next_day is None:
        return []
    first = max(progress.first_day, progress.next_day - CHECKED_DAYS * DAY)
    return list(days_between(first, progress.next_day))


def _check_day(project_id: str, day: date, *, repair: bool, at: datetime) -> list[CountMismatch]:
    """Count a day again. Returns a mismatch for each currency that differs."""
    rows = {row.currency: row for row in stored.days_of(project_ids=[project_id], day=day)}
    counted = subscription_days.count(project_id=project_id, day=day, at=at)
    mismatches = []
    for currency in sorted(rows.keys() | counted.keys()):
        before, after = rows.get(currency), counted.get(currency)
        columns = subscription_days.difference(before, after)
        if columns:
            what = f"metrics of {project_id} on {day} in {currency}: {_changes(columns)}"
            mismatches.append(CountMismatch(project_id, project_id, what))
        if before is not None and after is not None:
            after.is_estimate = before.is_estimate
    if mismatches and repair:
        subscription_days.store(project_id=project_id, day=day, rows=counted)
    return mismatches


def _changes(columns: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(f"{name} {before} -> {after}" for name, (before, after) in columns.items())


def _words(state: SubscriptionState | None) -> str:
    return "none" if state is None else f"{state.status} {state.amount} {state.currency}"
