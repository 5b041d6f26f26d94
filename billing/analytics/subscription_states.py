"""What a subscription counts as at a moment: its status and its monthly amount.

The mirror stores a subscription as it is now. Its start, its end and the ends of its trial and of
its discounts are stored as times, so for an earlier moment these are exact. When its price,
quantity, pause or payment status changed is not stored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from billing.analytics.monthly_amounts import RecurringDiscount, RecurringItem, monthly_amount
from billing.models import Coupon, Subscription, SubscriptionSpan
from billing.models.coupon import Duration
from billing.models.subscription import SubscriptionStatus
from billing.models.subscription_span import SpanStatus
from common import times

NEVER_BEGAN = frozenset({SubscriptionStatus.INCOMPLETE, SubscriptionStatus.INCOMPLETE_EXPIRED})
PERCENT = 100

Coupons = Mapping[str, Coupon]
"""Coupons by our id."""


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """``amount`` is what the subscription brings in a month, whatever its status is."""

    status: str
    amount: int
    currency: str

    @classmethod
    def of_span(cls, span: SubscriptionSpan) -> "SubscriptionState":
        return cls(span.status, span.amount, span.currency)

    @property
    def mrr(self) -> int:
        """Minor units; 0 unless the subscription is active."""
        return self.amount if self.status == SpanStatus.ACTIVE else 0


def state_before(
    row: Subscription, *, moment: datetime, coupons: Coupons
) -> SubscriptionState | None:
    """The state just before this moment; None if it did not count then.

    For a past moment the status and the items are those of now, except for what the stored times
    say. The row is loaded with its items, their prices and products.
    """
    status = _status_before(row, moment)
    currency = row.currency or _currency_of_items(row)
    if status is None or not currency:
        return None
    items = [
        RecurringItem(
            product_stripe_id=item.price.product.stripe_id or "",
            amount=item.price.amount_of(item.quantity),
            billings_per_month=item.price.billings_per_month,
        )
        for item in row.items.all()
        if item.price is not None
    ]
    discounts = list(_discounts_before(row, moment, coupons, currency))
    return SubscriptionState(status, monthly_amount(items, discounts), currency)


def _status_before(row: Subscription, moment: datetime) -> str | None:
    if row.started_at >= moment or row.status in NEVER_BEGAN:
        return None
    ended_at = (row.ended_at or row.canceled_at or row.started_at) if row.has_ended else None
    if ended_at is not None and ended_at < moment:
        return None
    if row.trial_ends_at is not None and row.trial_ends_at >= moment:
        return SpanStatus.TRIALING
    if _is_collection_paused(row, moment):
        return SpanStatus.PAUSED
    if ended_at is not None:
        return SpanStatus.ACTIVE
    return row.status if row.status in SpanStatus.values else None


def _is_collection_paused(row: Subscription, moment: datetime) -> bool:
    """Whether its collection is paused, with any of Stripe's behaviors."""
    return bool(row.pause_behavior) and (row.resumes_at is None or row.resumes_at >= moment)


def _currency_of_items(row: Subscription) -> str:
    """Older mirrors have no currency of the subscription itself."""
    return next((item.price.currency for item in row.items.all() if item.price), "")


def _discounts_before(
    row: Subscription, moment: datetime, coupons: Coupons, currency: str
) -> Iterable[RecurringDiscount]:
    """The discounts that apply just before the moment, and to more than one bill."""
    for discount in row.discounts:
        coupon = coupons.get(discount["coupon"] or "")
        ends_at = times.parse_optional(discount["ends_at"])
        if coupon is None or coupon.duration == Duration.ONCE:
            continue
        if ends_at is not None and ends_at < moment:
            continue
        products = () if coupon.is_for_all else tuple(coupon.product_stripe_ids)
        if coupon.percent_off is not None:
            fraction = Fraction(coupon.percent_off) / PERCENT
            yield RecurringDiscount(fraction_off=fraction, product_stripe_ids=products)
        elif coupon.currency == currency:
            yield RecurringDiscount(amount_off=coupon.amount_off or 0, product_stripe_ids=products)
