"""Coupons at Stripe: amount and duration of a discount. Stripe never changes these."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from stripe import StripeClient

from billing.stripe import pagination, reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, moment, page, text
from billing.stripe.snapshots import CouponSnapshot, UnreadableObject

URL = "/v1/coupons"
EXPAND = "applies_to"
CENT = Decimal("0.01")


def snapshot(fields: Fields) -> CouponSnapshot:
    if fields.get("deleted"):
        return CouponSnapshot(stripe_id=fields["id"], deleted=True)
    percent = fields["percent_off"]
    return CouponSnapshot(
        **common(fields),
        name=text(fields["name"]),
        percent_off=None if percent is None else Decimal(str(percent)).quantize(CENT),
        amount_off=fields["amount_off"],
        currency=text(fields["currency"]),
        duration=text(fields["duration"]),
        duration_in_months=fields["duration_in_months"],
        max_redemptions=fields["max_redemptions"],
        times_redeemed=fields["times_redeemed"] or 0,
        redeem_by=moment(fields["redeem_by"]),
        valid=bool(fields["valid"]),
        product_stripe_ids=tuple((fields.get("applies_to") or {}).get("products") or ()),
    )


def retrieve(client: StripeClient, stripe_id: str) -> CouponSnapshot:
    """Read the object from Stripe. Raises StripeObjectMissing."""
    with translate():
        params = {"expand": [EXPAND]}
        return snapshot(reads.get_named(client, URL, "coupon", stripe_id, params))


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[CouponSnapshot | UnreadableObject]:
    """Every coupon of the account that is not deleted, newest first."""
    params = page(after, expand=[f"data.{EXPAND}"])
    return pagination.iterate(client, URL, params, snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCoupon:
    """A coupon to create; ``redeem_by`` in Unix seconds. Without ``product_stripe_ids`` it applies
    to every product."""

    name: str
    percent_off: Decimal | None
    amount_off: int | None
    currency: str
    duration: str
    duration_in_months: int | None
    max_redemptions: int | None
    redeem_by: int | None
    product_stripe_ids: list[str]
    metadata: dict[str, str]


def new(coupon: NewCoupon) -> Fields:
    """Parameters of the request that creates the coupon."""
    products = coupon.product_stripe_ids
    params: Fields = {
        "name": coupon.name or None,
        "percent_off": None if coupon.percent_off is None else str(coupon.percent_off),
        "amount_off": coupon.amount_off,
        "currency": coupon.currency or None,
        "duration": coupon.duration,
        "duration_in_months": coupon.duration_in_months,
        "max_redemptions": coupon.max_redemptions,
        "redeem_by": coupon.redeem_by,
        "applies_to": {"products": products} if products else None,
        "metadata": coupon.metadata or None,
    }
    return {name: value for name, value in params.items() if value is not None}
