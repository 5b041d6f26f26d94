"""Find the subscriptions that give access now, and the time for which each of them does.

Pure, except for the queries about money that :func:`find_entitling` makes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from billing.access.selectors import subscription_invoices
from billing.access.selectors.subscription_invoices import RunningInvoices
from billing.models import Subscription, SubscriptionItem
from billing.models.subscription import SubscriptionStatus
from entitlements.resolution.facts import Reason

REASONS: dict[str, Reason] = {
    SubscriptionStatus.TRIALING: Reason.TRIAL,
    SubscriptionStatus.ACTIVE: Reason.ENTITLED,
    SubscriptionStatus.PAST_DUE: Reason.GRACE,
}
"""Any other status gives no access, an unknown one included."""


def find_candidates(
    subscriptions: Iterable[Subscription], items: Mapping[str, Sequence[SubscriptionItem]]
) -> list[Subscription]:
    """The subscriptions that give access if their money says so.

    A paused one gives access only if it resumes within the period that is paid already.
    """
    return [
        row
        for row in subscriptions
        if row.status in REASONS
        and items.get(row.pk)
        and not (row.is_paused and not _resumes_in_time(row, items))
    ]


def find_entitling(
    candidates: Iterable[Subscription],
    *,
    items: Mapping[str, Sequence[SubscriptionItem]],
    invoices: RunningInvoices,
) -> list[Subscription]:
    """The candidates that give access: not those that were never paid, and none in a period that
    was skipped by a pause. At most one query."""
    rows = list(candidates)
    active = [row for row in rows if row.status == SubscriptionStatus.ACTIVE]
    if not active:
        return rows
    without = subscription_invoices.find_unpaid(
        invoices, project_id=active[0].project_id, subscriptions=active
    )
    without |= {
        row.pk
        for row in active
        if subscription_invoices.is_skipped(
            invoices,
            subscription=row,
            since=max(item.period_start for item in items[row.pk]),
        )
    }
    return [row for row in rows if row.pk not in without]


def _resumes_in_time(
    subscription: Subscription, items: Mapping[str, Sequence[SubscriptionItem]]
) -> bool:
    resumes_at = subscription.resumes_at
    ends = [item.period_end for item in items.get(subscription.pk, ())]
    return resumes_at is not None and bool(ends) and resumes_at < max(ends)


def starts_at(subscription: Subscription) -> datetime:
    """When access starts: Stripe's start, or our first sight of it if Stripe's clock is ahead; for
    a paused subscription the time at which Stripe resumes it."""
    if subscription.is_paused and subscription.resumes_at is not None:
        return subscription.resumes_at
    return min(subscription.started_at, subscription.created_at)


def ends_at(
    subscription: Subscription, *, item: SubscriptionItem, overdue_since: datetime | None
) -> datetime | None:
    """When access ends unless Stripe reports a change: at the cancellation or the end of grace.

    Grace counts from the time since when an invoice is overdue. Until that invoice is mirrored it
    counts from the last sync, and ends with the period at the latest.
    """
    if subscription.status != SubscriptionStatus.PAST_DUE:
        return subscription.cancel_at
    days = subscription.project.grace_days
    grace = settings.BILLING.grace_period if days is None else timedelta(days=days)
    if overdue_since is None:
        since = subscription.synced_at or item.period_start
        return earliest(min(since + grace, item.period_end), subscription.cancel_at)
    return earliest(overdue_since + grace, subscription.cancel_at)


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)
