"""What purchases and subscriptions say about features: computed from our rows, nothing written.

``also`` is money, by payment, that is to be seen as refunded too: for a look at what a refund
would change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from billing import policies
from billing.models import (
    Checkout,
    CheckoutLine,
    Product,
    ProductFeature,
    Subscription,
    SubscriptionItem,
)
from billing.models.subscription import SubscriptionStatus
from billing.policies import Left, Receipts
from billing.selectors import receipts
from entitlements.kinds import KINDS
from entitlements.models.fact import Effect
from entitlements.resolution import Reason
from entitlements.services.facts import Claim

REASONS: dict[str, Reason] = {
    SubscriptionStatus.TRIALING: Reason.TRIAL,
    SubscriptionStatus.ACTIVE: Reason.ENTITLED,
    SubscriptionStatus.PAST_DUE: Reason.GRACE,
}
"""Any other status, one that we do not know among them, gives nothing."""

Given = Sequence[tuple[CheckoutLine, Left | None]]
"""What is left of each line of a purchase; None when it gives nothing (yet, or any more)."""


def of_subscription(
    subscription: Subscription, *, also: Mapping[str, int] | None = None
) -> list[Claim]:
    """From each item what its product gives, as far as the running period's money is there."""
    if not _is_speaking(subscription):
        return []
    rows = subscription.items.select_related("price__product")
    items = [(item, item.price.product) for item in rows if item.price is not None]
    if not items:
        return []
    money = receipts.of_subscription(
        subscription=subscription,
        since=min(item.period_start for item, _ in items),
        also=also,
    )
    entitling = _features(subscription.project_id, [product for _, product in items])
    return [
        claim
        for item, product in items
        for claim in _claims(
            entitling.get(product.pk, ()),
            _left(money, product),
            reason=REASONS[subscription.status],
            starts_at=_start(subscription),
            ends_at=_end(subscription, item),
            anchored_at=subscription.anchored_at,
        )
    ]


def of_lines(checkout: Checkout, *, also: Mapping[str, int] | None = None) -> Given:
    """What is left of each line. One that is paid again and again is given once the page is
    paid for; from then on it follows its subscription."""
    lines = list(checkout.lines.select_related("price__product"))
    if not checkout.is_fulfilled:
        return [(line, None) for line in lines]
    money = receipts.of_checkout(checkout=checkout, also=also)
    return [
        (line, Left() if line.price.is_recurring else _left(money, line.price.product))
        for line in lines
    ]


def of_checkout(checkout: Checkout, given: Given) -> list[Claim]:
    """From each line that is paid once what its product gives."""
    once = [(line.price.product, left) for line, left in given if not line.price.is_recurring]
    entitling = _features(checkout.project_id, [product for product, left in once if left])
    return [
        claim
        for product, left in once
        for claim in _claims(
            entitling.get(product.pk, ()),
            left,
            reason=Reason.ENTITLED,
            starts_at=checkout.completed_at or checkout.created_at,
            ends_at=None,
        )
    ]


def _is_speaking(subscription: Subscription) -> bool:
    """A pause without a date gives nothing; one with a date, what begins then."""
    is_paused = subscription.is_paused and subscription.resumes_at is None
    if subscription.status not in REASONS or is_paused:
        return False
    is_active = subscription.status == SubscriptionStatus.ACTIVE
    return not (is_active and receipts.never_came(subscription=subscription))


def _left(money: Receipts, product: Product) -> Left | None:
    return policies.left(
        money, refund_policy=product.refund_policy, dispute_policy=product.dispute_policy
    )


def _start(subscription: Subscription) -> datetime:
    """When it began by Stripe's clock, or when we heard of it if that clock is ahead of ours; of a
    paused one when Stripe resumes it."""
    if subscription.is_paused and subscription.resumes_at is not None:
        return subscription.resumes_at
    return min(subscription.started_at, subscription.created_at)


def _end(subscription: Subscription, item: SubscriptionItem) -> datetime | None:
    """When it will be over without any further news: its cancellation, or the end of grace."""
    if subscription.status != SubscriptionStatus.PAST_DUE:
        return subscription.cancel_at
    days = subscription.project.grace_days
    grace = settings.BILLING.grace_period if days is None else timedelta(days=days)
    return _sooner(item.period_start + grace, subscription.cancel_at)


def _claims(
    features: Iterable[ProductFeature],
    left: Left | None,
    *,
    reason: Reason,
    starts_at: datetime,
    ends_at: datetime | None,
    anchored_at: datetime | None = None,
) -> Iterator[Claim]:
    """What is left of the features, and that they are withheld while a bank decides."""
    if left is None:
        return
    until = _sooner(ends_at, left.ends_at)
    for feature in features:
        is_amount = KINDS[feature.feature.kind].is_amount
        yield Claim(
            feature_id=feature.feature_id,
            value=left.of(feature.value) if is_amount else feature.value,
            reason=reason,
            starts_at=starts_at,
            ends_at=until,
            anchored_at=anchored_at,
            part=feature.product_id,
        )
        if left.held_since is not None:
            yield Claim(
                feature_id=feature.feature_id,
                value=None,
                reason=Reason.HELD,
                starts_at=max(left.held_since, starts_at),
                ends_at=until,
                effect=Effect.DENY,
            )


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _features(project_id: str, products: Iterable[Product]) -> dict[str, list[ProductFeature]]:
    """What these products entitle to, by product."""
    found: dict[str, list[ProductFeature]] = {}
    held = {product.pk for product in products}
    if not held:
        return found
    rows = ProductFeature.objects.for_project(project_id).filter(product_id__in=held)
    for feature in rows.select_related("feature"):
        found.setdefault(feature.product_id, []).append(feature)
    return found
