"""Subscriptions with their scheduled changes."""

from dataclasses import dataclass
from datetime import datetime

from billing.stripe.snapshots.base import Checked, StripeSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionItemSnapshot(Checked):
    stripe_id: str
    price_stripe_id: str
    product_stripe_id: str
    quantity: int
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledItemSnapshot(Checked):
    """An item that a subscription will be billed for from a later date on."""

    price_stripe_id: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountSnapshot(Checked):
    """An applied coupon; ``ends_at`` is None while the discount has no end."""

    stripe_id: str
    coupon_stripe_id: str
    promotion_code_stripe_id: str | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSnapshot(StripeSnapshot):
    """``cancel_at`` is when the subscription will end, for any form of cancellation.

    ``scheduled_items`` replace the items at ``scheduled_at``; both are empty without a scheduled
    change. ``pause_behavior`` is empty unless collection is paused.
    """

    customer_stripe_id: str
    status: str
    currency: str
    started_at: datetime
    anchored_at: datetime | None
    trial_ends_at: datetime | None
    cancel_at: datetime | None
    canceled_at: datetime | None
    ended_at: datetime | None
    latest_invoice_stripe_id: str | None
    items: tuple[SubscriptionItemSnapshot, ...]
    pause_behavior: str = ""
    resumes_at: datetime | None = None
    schedule_stripe_id: str | None = None
    scheduled_at: datetime | None = None
    scheduled_items: tuple[ScheduledItemSnapshot, ...] = ()
    discounts: tuple[DiscountSnapshot, ...] = ()
    automatic_tax: bool = False
