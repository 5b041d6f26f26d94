"""Checkout sessions at Stripe: hosted payment pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from stripe import StripeClient

from billing.stripe import pagination, reads, workflow_ids
from billing.stripe.errors import translate
from billing.stripe.fields import (
    Fields,
    common,
    instant,
    labelled,
    page,
    reference,
    text,
)
from billing.stripe.snapshots import CheckoutLineSnapshot, CheckoutSnapshot, UnreadableObject

URL, LINES_URL = "/v1/checkout/sessions", "/v1/checkout/sessions/{}/line_items"
LINES = "line_items"
COMPLETE = "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a new session sells, to whom, and where the buyer goes afterwards.

    ``asks_for_card``: whether a card is collected when nothing is due today. At most one of
    ``promotion_code``, ``coupon`` (Stripe's ids) and ``allow_promotion_codes`` is set. The last is
    never set in a shared account: its pages would accept the codes of every project.
    """

    our_id: str
    customer_stripe_id: str
    is_subscription: bool
    lines: Sequence[tuple[str, int | None]]
    """Stripe's price ids with their quantities; the quantity of a metered price is None."""

    success_url: str
    cancel_url: str
    expires_at: datetime | None
    """By Stripe's clock; None: 24 hours after Stripe creates the session."""
    metadata: dict[str, str]
    trial_period_days: int | None = None
    trial_end_behavior: str = ""
    asks_for_card: bool = True
    allow_promotion_codes: bool = False
    promotion_code: str = ""
    coupon: str = ""
    automatic_tax: bool = False
    tax_id_collection: bool = False
    save_payment_method: bool = False
    workflow_id: str = ""


def snapshot(fields: Fields, lines: Sequence[Fields] = ()) -> CheckoutSnapshot:
    """``lines`` are the session's line items, if they were read."""
    totals = fields["total_details"] or {}
    return CheckoutSnapshot(
        **common(fields),
        customer_stripe_id=reference(fields["customer"]),
        mode=text(fields["mode"]),
        status=text(fields["status"]),
        payment_status=text(fields["payment_status"]),
        url=text(fields["url"]),
        currency=text(fields["currency"]),
        amount_total=fields["amount_total"],
        amount_subtotal=fields["amount_subtotal"],
        amount_discount=totals.get("amount_discount") or 0,
        amount_tax=totals.get("amount_tax") or 0,
        line_totals=tuple(_line(each) for each in lines),
        payment_stripe_id=reference(fields["payment_intent"]),
        subscription_stripe_id=reference(fields["subscription"]),
        invoice_stripe_id=reference(fields["invoice"]),
        expires_at=instant(fields["expires_at"]),
    )


def retrieve(client: StripeClient, stripe_id: str) -> CheckoutSnapshot:
    """Read the object from Stripe. Raises StripeObjectMissing."""
    with translate():
        params = {"expand": [LINES]}
        return _complete(
            client, reads.get_named(client, URL, "checkout.session", stripe_id, params)
        )


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[CheckoutSnapshot | UnreadableObject]:
    """Every session of the account, newest first."""
    params = page(after, expand=[f"data.{LINES}"])
    return pagination.iterate(client, URL, params, partial(_complete, client))


def _complete(client: StripeClient, fields: Fields) -> CheckoutSnapshot:
    """The session; a complete one with all of its lines. Only the first lines come with the
    session."""
    if fields["status"] != COMPLETE:
        return snapshot(fields)
    listed = fields[LINES] or {"data": [], "has_more": False}
    if not listed["has_more"]:
        return snapshot(fields, listed["data"])
    url = reads.path(LINES_URL, fields["id"])
    return snapshot(fields, pagination.all_of(client, url, {}))


def _line(fields: Fields) -> CheckoutLineSnapshot:
    return CheckoutLineSnapshot(
        price_stripe_id=reference(fields["price"]) or "",
        quantity=fields["quantity"],
        total=fields["amount_total"],
    )


def params(order: Order) -> Fields:
    """Parameters that create the session. The session and the objects that it creates name our
    row."""
    metadata = labelled(order.our_id, {**order.metadata, **workflow_ids.write(order.workflow_id)})
    session: Fields = {
        "mode": "subscription" if order.is_subscription else "payment",
        "customer": order.customer_stripe_id,
        "client_reference_id": order.our_id,
        "line_items": [
            {"price": price} if quantity is None else {"price": price, "quantity": quantity}
            for price, quantity in order.lines
        ],
        "success_url": order.success_url,
        "metadata": metadata,
    }
    if order.expires_at is not None:
        session["expires_at"] = int(order.expires_at.timestamp())
    if order.cancel_url:
        session["cancel_url"] = order.cancel_url
    return session | _discount(order) | _tax(order) | _created_object(order, metadata)


def _discount(order: Order) -> Fields:
    if order.promotion_code:
        return {"discounts": [{"promotion_code": order.promotion_code}]}
    if order.coupon:
        return {"discounts": [{"coupon": order.coupon}]}
    return {"allow_promotion_codes": True} if order.allow_promotion_codes else {}


def _tax(order: Order) -> Fields:
    """Stripe requires that the address and name that the buyer types are saved on the customer."""
    tax_params: Fields = {}
    if order.automatic_tax:
        tax_params |= {"automatic_tax": {"enabled": True}, "customer_update": {"address": "auto"}}
    if order.tax_id_collection:
        tax_params["tax_id_collection"] = {"enabled": True}
        tax_params["customer_update"] = {**tax_params.get("customer_update", {}), "name": "auto"}
    return tax_params


def _created_object(order: Order, metadata: dict[str, str]) -> Fields:
    """Parameters of the payment or subscription that the session creates."""
    if not order.is_subscription:
        data: Fields = {"metadata": metadata}
        if order.save_payment_method:
            data["setup_future_usage"] = "off_session"
        return {"payment_intent_data": data}
    data = {"metadata": metadata}
    if order.trial_period_days:
        data["trial_period_days"] = order.trial_period_days
    if order.trial_end_behavior:
        ends = {"missing_payment_method": order.trial_end_behavior}
        data["trial_settings"] = {"end_behavior": ends}
    session: Fields = {"subscription_data": data}
    if not order.asks_for_card:
        session["payment_method_collection"] = "if_required"
    return session
