"""Promotion codes at Stripe: codes that buyers enter to get a coupon's discount."""

from collections.abc import Iterator
from dataclasses import dataclass

from stripe import StripeClient

from billing.stripe import pagination, reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, moment, page, reference, text
from billing.stripe.snapshots import PromotionCodeSnapshot, UnreadableObject

URL = "/v1/promotion_codes"


def snapshot(fields: Fields) -> PromotionCodeSnapshot:
    limits = fields["restrictions"] or {}
    return PromotionCodeSnapshot(
        **common(fields),
        coupon_stripe_id=reference((fields["promotion"] or {}).get("coupon")) or "",
        code=text(fields["code"]),
        active=bool(fields["active"]),
        customer_stripe_id=reference(fields["customer"]),
        max_redemptions=fields["max_redemptions"],
        times_redeemed=fields["times_redeemed"] or 0,
        expires_at=moment(fields["expires_at"]),
        first_time_transaction=bool(limits.get("first_time_transaction")),
        minimum_amount=limits.get("minimum_amount"),
        minimum_amount_currency=text(limits.get("minimum_amount_currency")),
    )


def retrieve(client: StripeClient, stripe_id: str) -> PromotionCodeSnapshot:
    """Read the object from Stripe. Raises StripeObjectMissing."""
    with translate():
        return snapshot(reads.get_named(client, URL, "promotion_code", stripe_id))


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[PromotionCodeSnapshot | UnreadableObject]:
    """Every promotion code of the account, newest first."""
    return pagination.iterate(client, URL, page(after), snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPromotionCode:
    """A promotion code to create; ``expires_at`` in Unix seconds, ``minimum_amount`` in minor
    units. An empty ``customer_stripe_id`` is anyone."""

    coupon_stripe_id: str
    code: str
    customer_stripe_id: str
    max_redemptions: int | None
    expires_at: int | None
    first_time_transaction: bool
    minimum_amount: int | None
    minimum_amount_currency: str
    metadata: dict[str, str]


def new(code: NewPromotionCode) -> Fields:
    """Parameters of the request that creates the code."""
    limits: Fields = {}
    if code.first_time_transaction:
        limits["first_time_transaction"] = True
    if code.minimum_amount is not None:
        limits["minimum_amount"] = code.minimum_amount
        limits["minimum_amount_currency"] = code.minimum_amount_currency
    params: Fields = {
        "promotion": {"type": "coupon", "coupon": code.coupon_stripe_id},
        "code": code.code or None,
        "customer": code.customer_stripe_id or None,
        "max_redemptions": code.max_redemptions,
        "expires_at": code.expires_at,
        "restrictions": limits or None,
        "metadata": code.metadata or None,
    }
    return {name: value for name, value in params.items() if value is not None}
