"""What may be done because of what was bought: mirrors in, facts out, in the same transaction.

A subscription speaks while it is trialing, active or within the grace period of a failed payment;
a purchase speaks once it is paid for and until it is refunded in full. A quantity does not
multiply a limit. The caller holds the customer's lock.
"""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from billing.models import (
    Checkout,
    Payment,
    Price,
    Product,
    ProductFeature,
    Subscription,
    SubscriptionItem,
    SyncObject,
)
from billing.models.checkout import CheckoutStatus
from billing.models.price import PriceType
from billing.models.subscription import ENDED, SubscriptionStatus
from billing.models.sync_object import Kind
from billing.services import leases
from entitlements.models.fact import SourceType
from entitlements.resolution import Reason
from entitlements.services import facts
from entitlements.services.facts import Claim
from projects.models import Customer

REASONS: dict[str, Reason] = {
    SubscriptionStatus.TRIALING: Reason.TRIAL,
    SubscriptionStatus.ACTIVE: Reason.ENTITLED,
    SubscriptionStatus.PAST_DUE: Reason.GRACE,
}
"""Any other status, one that we do not know among them, gives nothing."""


def follow_subscription(*, subscription: Subscription, customer: Customer, at: datetime) -> bool:
    """Make the customer's facts from this subscription what its items say; whether that changed."""
    return facts.replace(
        customer=customer,
        source_type=SourceType.SUBSCRIPTION,
        source_id=subscription.pk,
        claims=_subscription_claims(subscription) if subscription.status in REASONS else (),
        at=at,
    )


def follow_checkout(*, checkout: Checkout, customer: Customer, at: datetime) -> bool:
    """Make the customer's facts from this purchase what was bought once; whether that changed."""
    return facts.replace(
        customer=customer,
        source_type=SourceType.CHECKOUT,
        source_id=checkout.pk,
        claims=_purchase_claims(checkout) if _is_kept(checkout) else (),
        at=at,
    )


def reread_holders(*, product: Product) -> int:
    """Have whatever was bought of this product read again; returns how many objects that are.

    Called when it entitles to something else: its holders follow as the reads are applied.
    """
    prices = Price.objects.for_project(product.project_id).filter(product=product)
    subscriptions = (
        Subscription.objects.for_project(product.project_id)
        .filter(items__price__in=prices)
        .exclude(status__in=ENDED)
    )
    checkouts = Checkout.objects.for_project(product.project_id).filter(
        lines__price__in=prices, status=CheckoutStatus.COMPLETE
    )
    held = SyncObject.objects.filter(account_id=product.account_id).filter(
        Q(kind=Kind.SUBSCRIPTION, stripe_id__in=subscriptions.values("stripe_id"))
        | Q(kind=Kind.CHECKOUT_SESSION, stripe_id__in=checkouts.values("stripe_id"))
    )
    return leases.mark_all(held)


def _subscription_claims(subscription: Subscription) -> Iterator[Claim]:
    items = subscription.items.select_related("price")
    priced = [(item, item.price) for item in items if item.price is not None]
    entitling = _features(subscription.project_id, [price for _, price in priced])
    for item, price in priced:
        for feature in entitling.get(price.product_id, ()):
            yield Claim(
                feature_id=feature.feature_id,
                value=feature.value,
                reason=REASONS[subscription.status],
                starts_at=_start(subscription),
                ends_at=_end(subscription, item),
            )


def _start(subscription: Subscription) -> datetime:
    """When it began by Stripe's clock, or when we heard of it if that clock is ahead of ours."""
    return min(subscription.started_at, subscription.created_at)


def _end(subscription: Subscription, item: SubscriptionItem) -> datetime | None:
    """When it will be over without any further news: its cancellation, or the end of grace."""
    if subscription.status != SubscriptionStatus.PAST_DUE:
        return subscription.cancel_at
    grace: datetime = item.period_start + settings.BILLING.grace_period
    return min(grace, subscription.cancel_at or grace)


def _is_kept(checkout: Checkout) -> bool:
    """Whether it is paid for, or free, and the money did not go back."""
    if not checkout.is_fulfilled or not checkout.payment_stripe_id:
        return checkout.is_fulfilled
    payment = (
        Payment.objects.for_project(checkout.project_id)
        .filter(
            account_id=checkout.account_id,
            customer_id=checkout.customer_id,
            stripe_id=checkout.payment_stripe_id,
        )
        .first()
    )
    return payment is None or not payment.is_refunded_in_full


def _purchase_claims(checkout: Checkout) -> Iterator[Claim]:
    """From the lines that are paid once; what is paid again and again follows its subscription."""
    once = checkout.lines.select_related("price").filter(price__type=PriceType.ONE_TIME)
    prices = [line.price for line in once]
    entitling = _features(checkout.project_id, prices)
    for price in prices:
        for feature in entitling.get(price.product_id, ()):
            yield Claim(
                feature_id=feature.feature_id,
                value=feature.value,
                reason=Reason.ENTITLED,
                starts_at=checkout.completed_at or checkout.created_at,
            )


def _features(project_id: str, prices: list[Price]) -> dict[str, list[ProductFeature]]:
    """What the products behind these prices entitle to, by product."""
    found: dict[str, list[ProductFeature]] = {}
    held = {price.product_id for price in prices}
    for feature in ProductFeature.objects.for_project(project_id).filter(product_id__in=held):
        found.setdefault(feature.product_id, []).append(feature)
    return found
