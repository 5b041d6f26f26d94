"""Products, prices, coupons and promotion codes."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.stripe.snapshots.base import StripeSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSnapshot(StripeSnapshot):
    name: str = ""
    description: str = ""
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSnapshot(StripeSnapshot):
    """``unit_amount`` is None for tiered prices and for amounts with fractions of a cent."""

    product_stripe_id: str = ""
    nickname: str = ""
    type: str = ""
    currency: str = ""
    unit_amount: int | None = None
    interval: str = ""
    interval_count: int = 1
    usage_type: str = ""
    meter_stripe_id: str = ""
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponSnapshot(StripeSnapshot):
    """Either ``percent_off`` with two decimals, or ``amount_off`` in minor units of
    ``currency``."""

    name: str = ""
    percent_off: Decimal | None = None
    amount_off: int | None = None
    currency: str = ""
    duration: str = ""
    duration_in_months: int | None = None
    max_redemptions: int | None = None
    times_redeemed: int = 0
    redeem_by: datetime | None = None
    valid: bool = False
    product_stripe_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionCodeSnapshot(StripeSnapshot):
    coupon_stripe_id: str
    code: str
    active: bool
    customer_stripe_id: str | None
    max_redemptions: int | None
    times_redeemed: int
    expires_at: datetime | None
    first_time_transaction: bool
    minimum_amount: int | None
    minimum_amount_currency: str
