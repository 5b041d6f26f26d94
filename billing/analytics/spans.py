"""Write the history of subscriptions: a span for each run of days with the same state.

Writing a day again changes nothing unless the state has changed, so a count that was interrupted
begins its page again.
"""

from collections.abc import Sequence
from datetime import date

from billing.analytics import selectors as stored
from billing.analytics.subscription_states import (
    Coupons,
    SubscriptionState,
    state_before,
)
from billing.analytics.utc_days import end_of, start_of
from billing.models import Subscription, SubscriptionSpan
from billing.models.subscription_span import SpanStatus


def write_day(*, project_id: str, rows: Sequence[Subscription], day: date, is_late: bool) -> None:
    """Write what these subscriptions count as at the end of the day. Six queries at most.

    ``is_late``: the mirror may have changed since the day. Then a row that has changed keeps the
    state of the day before, except for what the stored times say.
    """
    coupons = stored.coupons_of(rows)
    open_spans = stored.open_spans(rows)
    new: list[SubscriptionSpan] = []
    ended: list[SubscriptionSpan] = []
    for row in rows:
        span = open_spans.get(row.pk)
        state = _state_of_day(row, span, day, coupons, is_late=is_late)
        if span is not None and state == SubscriptionState.of_span(span):
            continue
        if span is not None:
            ended.append(span)
        if state is not None:
            new.append(_new_span(row, state, day))
    _end(project_id, ended, day)
    SubscriptionSpan.objects.for_project(project_id).bulk_create(new)


def _state_of_day(
    row: Subscription,
    span: SubscriptionSpan | None,
    day: date,
    coupons: Coupons,
    *,
    is_late: bool,
) -> SubscriptionState | None:
    end = end_of(day)
    state = state_before(row, moment=end, coupons=coupons)
    if not is_late or state is None or span is None or row.updated_at < end:
        return state
    is_dated = SpanStatus.TRIALING in (state.status, span.status)
    if is_dated or row.started_at >= start_of(day):
        return state
    return SubscriptionState.of_span(span)


def _new_span(row: Subscription, state: SubscriptionState, day: date) -> SubscriptionSpan:
    return SubscriptionSpan(
        project_id=row.project_id,
        subscription_id=row.pk,
        customer_id=row.customer_id,
        currency=state.currency,
        status=state.status,
        amount=state.amount,
        starts_on=day,
    )


def _end(project_id: str, spans: Sequence[SubscriptionSpan], day: date) -> None:
    """End these spans with the day before. Those that began on the day are replaced."""
    rows = SubscriptionSpan.objects.for_project(project_id)
    older = [span.pk for span in spans if span.starts_on < day]
    replaced = [span.pk for span in spans if span.starts_on >= day]
    if older:
        rows.filter(pk__in=older).update(ends_on=day)
    if replaced:
        rows.filter(pk__in=replaced).delete()
