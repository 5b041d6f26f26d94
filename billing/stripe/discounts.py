"""Discounts at Stripe: a coupon applied to one subscription."""

from collections.abc import Sequence
from typing import Any

from billing.stripe.fields import Fields, moment, reference
from billing.stripe.snapshots import DiscountSnapshot


def snapshots(discounts: Sequence[Any] | None) -> tuple[DiscountSnapshot, ...]:
    """The discounts that came expanded, in Stripe's order; bare ids are left out."""
    return tuple(_discount(each) for each in discounts or () if isinstance(each, dict))


def _discount(fields: Fields) -> DiscountSnapshot:
    source = fields.get("source") or {}
    return DiscountSnapshot(
        stripe_id=fields["id"],
        coupon_stripe_id=reference(source.get("coupon")) or "",
        promotion_code_stripe_id=reference(fields.get("promotion_code")),
        ends_at=moment(fields.get("end")),
    )
