"""Coupons and promotion codes."""

from collections.abc import Mapping

from billing.models import Coupon, PromotionCode
from billing.representation.values import Json, moment, money


def coupon(row: Coupon, products: Mapping[str, str]) -> Json:
    """``products`` are our ids by Stripe's, of those that it is limited to."""
    return {
        "id": row.pk,
        "name": row.name,
        "percent_off": None if row.percent_off is None else str(row.percent_off),
        "amount_off": money(row.amount_off, row.currency),
        "duration": row.duration,
        "duration_in_months": row.duration_in_months,
        "max_redemptions": row.max_redemptions,
        "times_redeemed": row.redeemed,
        "redeem_by": moment(row.redeem_by),
        "valid": row.valid,
        "products": []
        if row.is_for_all
        else [products[each] for each in row.product_stripe_ids if each in products],
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": moment(row.created_at),
    }


def promotion_code(row: PromotionCode) -> Json:
    return {
        "id": row.pk,
        "coupon": row.coupon_id,
        "code": row.code,
        "active": row.active,
        "user_id": row.customer.user_id if row.customer else None,
        "max_redemptions": row.max_redemptions,
        "times_redeemed": row.redeemed,
        "expires_at": moment(row.expires_at),
        "first_time_transaction": row.first_time_transaction,
        "minimum_amount": money(row.minimum_amount, row.minimum_amount_currency),
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": moment(row.created_at),
    }
