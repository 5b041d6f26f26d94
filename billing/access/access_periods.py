"""Which subscriptions give access now, and from when until when.

Pure but for the queries about money that :func:`entitling` makes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from billing.access.selectors import receipts
from billing.models import Subscription, SubscriptionItem
from billing.models.subscription import SubscriptionStatus
from entitlements.resolution.facts import Reason

REASONS: dict[str, Reason] = {
    SubscriptionStatus.TRIALING: Reason.TRIAL,
    SubscriptionStatus.ACTIVE: Reason.ENTITLED,
    SubscriptionStatus.PAST_DUE: Reason.GRACE,
}
"""Any other status, one that we do not know among them, gives nothing."""


def entitling(
    subscriptions: Iterable[Subscription], items: Mapping[str, Sequence[SubscriptionItem]]
) -> list[Subscription]:
    """A pause without a date gives nothing; one with a date what begins then, if the period that
    was paid is not over by then. A period that a pause left unpaid gives nothing after it."""
    able = [
        each
        for each in subscriptions
        if each.status in REASONS and not (each.is_paused and not _resumes_in_time(each, items))
    ]
    active = [each for each in able if each.status == SubscriptionStatus.ACTIVE]
    if not active:
        return able
    project_id = active[0].project_id
    silent = receipts.unpaid(project_id=project_id, subscriptions=active)
    since = {
        each.pk: max(item.period_start for item in items[each.pk])
        for each in active
        if items.get(each.pk)
    }
    begun = [each for each in active if each.pk in since]
    silent |= receipts.forfeited(project_id=project_id, subscriptions=begun, since=since)
    return [each for each in able if each.pk not in silent]


def _resumes_in_time(
    subscription: Subscription, items: Mapping[str, Sequence[SubscriptionItem]]
) -> bool:
    resumes_at = subscription.resumes_at
    ends = [item.period_end for item in items.get(subscription.pk, ())]
    return resumes_at is not None and bool(ends) and resumes_at < max(ends)


def start(subscription: Subscription) -> datetime:
    """When it began by Stripe's clock, or when we heard of it if that clock is ahead of ours; of a
    paused one when Stripe resumes it."""
    if subscription.is_paused and subscription.resumes_at is not None:
        return subscription.resumes_at
    return min(subscription.started_at, subscription.created_at)


def end(
    subscription: Subscription, *, item: SubscriptionItem, overdue_since: datetime | None
) -> datetime | None:
    """When it will be over without any further news: its cancellation, or the end of grace.

    Grace counts from the invoice that is owed. While that is not mirrored yet it counts from now,
    and ends with the period at the latest.
    """
    if subscription.status != SubscriptionStatus.PAST_DUE:
        return subscription.cancel_at
    days = subscription.project.grace_days
    grace = settings.BILLING.grace_period if days is None else timedelta(days=days)
    if overdue_since is None:
        since = subscription.synced_at or item.period_start
        return earlier(min(since + grace, item.period_end), subscription.cancel_at)
    return earlier(overdue_since + grace, subscription.cancel_at)


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
