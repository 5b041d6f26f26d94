"""Coupons and promotion codes."""

from collections.abc import Mapping
from typing import Annotated, TypedDict

from billing.models import Coupon, PromotionCode
from billing.models.coupon import Duration
from common.bodies import MoneyBody, Time, money
from common.times import rfc3339


class CouponBody(TypedDict):
    """A discount: a percentage, or an amount in one currency."""

    id: str
    name: str
    percent_off: Annotated[str | None, 'Such as "12.50".']
    amount_off: MoneyBody | None
    duration: Annotated[str, Duration]
    duration_in_months: int | None
    max_redemptions: int | None
    times_redeemed: int
    redeem_by: Time | None
    valid: Annotated[bool, "Whether it can still be redeemed."]
    products: Annotated[list[str], "Ids of the products that it applies to; empty: all products."]
    metadata: dict[str, str]
    stripe_id: str | None
    created_at: Time


class PromotionCodeBody(TypedDict):
    id: str
    coupon: str
    code: str
    active: Annotated[bool, "Whether buyers can redeem it."]
    user_id: Annotated[str | None, "Your id of the only user who can redeem it; null: everyone."]
    max_redemptions: int | None
    times_redeemed: int
    expires_at: Time | None
    first_time_transaction: bool
    minimum_amount: MoneyBody | None
    metadata: dict[str, str]
    stripe_id: str | None
    created_at: Time


def coupon(row: Coupon, products: Mapping[str, str]) -> CouponBody:
    """``products`` maps Stripe's ids of the coupon's products to our ids."""
    return {
        "id": row.pk,
        "name": row.name,
        "percent_off": None if row.percent_off is None else str(row.percent_off),
        "amount_off": money(row.amount_off, row.currency),
        "duration": row.duration,
        "duration_in_months": row.duration_in_months,
        "max_redemptions": row.max_redemptions,
        "times_redeemed": row.redeemed,
        "redeem_by": rfc3339(row.redeem_by),
        "valid": row.valid,
        "products": []
        if row.is_for_all
        else [products[each] for each in row.product_stripe_ids if each in products],
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": rfc3339(row.created_at),
    }


def promotion_code(row: PromotionCode) -> PromotionCodeBody:
    return {
        "id": row.pk,
        "coupon": row.coupon_id,
        "code": row.code,
        "active": row.active,
        "user_id": row.customer.user_id if row.customer else None,
        "max_redemptions": row.max_redemptions,
        "times_redeemed": row.redeemed,
        "expires_at": rfc3339(row.expires_at),
        "first_time_transaction": row.first_time_transaction,
        "minimum_amount": money(row.minimum_amount, row.minimum_amount_currency),
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": rfc3339(row.created_at),
    }
