"""Prices at Stripe. Amount, currency and interval of a price never change."""

from collections.abc import Iterator

from stripe import StripeClient

from billing.stripe import pagination, reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, page, reference, text
from billing.stripe.snapshots import PriceSnapshot, UnreadableObject

URL = "/v1/prices"


def snapshot(fields: Fields) -> PriceSnapshot:
    if fields.get("deleted"):
        return PriceSnapshot(stripe_id=fields["id"], deleted=True)
    recurring = fields["recurring"] or {}
    return PriceSnapshot(
        **common(fields),
        product_stripe_id=reference(fields["product"]) or "",
        nickname=text(fields["nickname"]),
        type=text(fields["type"]),
        currency=text(fields["currency"]),
        unit_amount=fields["unit_amount"],
        interval=text(recurring.get("interval")),
        interval_count=recurring.get("interval_count") or 1,
        usage_type=text(recurring.get("usage_type")),
        meter_stripe_id=text(recurring.get("meter")),
        active=bool(fields["active"]),
    )


def retrieve(client: StripeClient, stripe_id: str) -> PriceSnapshot:
    """Read the object from Stripe. Raises StripeObjectMissing."""
    with translate():
        return snapshot(reads.get_named(client, URL, "price", stripe_id))


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[PriceSnapshot | UnreadableObject]:
    """Every price of the account, archived ones too, newest first."""
    return pagination.iterate(client, URL, page(after), snapshot)


def new(
    *,
    product_stripe_id: str,
    currency: str,
    unit_amount: int,
    interval: str,
    interval_count: int,
    nickname: str,
    metadata: dict[str, str],
    meter_stripe_id: str = "",
) -> Fields:
    """Parameters that create a price.

    Without an interval it is a one-time price; with a meter it bills the usage of that meter.
    """
    params: Fields = {
        "product": product_stripe_id,
        "currency": currency,
        "unit_amount": unit_amount,
        "metadata": metadata,
    }
    if interval:
        params["recurring"] = {"interval": interval, "interval_count": interval_count}
    if meter_stripe_id:
        params["recurring"] |= {"usage_type": "metered", "meter": meter_stripe_id}
    if nickname:
        params["nickname"] = nickname
    return params
