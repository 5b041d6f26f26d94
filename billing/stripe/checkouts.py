"""Checkout sessions at Stripe: the hosted page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from stripe import StripeClient
from stripe.params.checkout import SessionCreateParams, SessionListParams

from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, instant, labelled, plain, reference, text
from billing.stripe.snapshots import CheckoutSnapshot

PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a new session sells, to whom, and where the buyer goes afterwards."""

    our_id: str
    customer_stripe_id: str
    is_subscription: bool
    lines: Sequence[tuple[str, int]]
    """Stripe's price id and how many."""
    success_url: str
    cancel_url: str
    metadata: dict[str, str]
    trial_period_days: int | None = None
    allow_promotion_codes: bool = False


def snapshot(fields: Fields) -> CheckoutSnapshot:
    return CheckoutSnapshot(
        **common(fields),
        customer_stripe_id=reference(fields.get("customer")),
        mode=text(fields.get("mode")),
        status=text(fields.get("status")),
        payment_status=text(fields.get("payment_status")),
        url=text(fields.get("url")),
        currency=text(fields.get("currency")),
        amount_total=fields.get("amount_total"),
        payment_stripe_id=reference(fields.get("payment_intent")),
        subscription_stripe_id=reference(fields.get("subscription")),
        invoice_stripe_id=reference(fields.get("invoice")),
        expires_at=instant(fields["expires_at"]),
    )


def retrieve(client: StripeClient, stripe_id: str) -> CheckoutSnapshot:
    """What Stripe says now. Raises StripeObjectMissing."""
    with translate():
        return snapshot(plain(client.v1.checkout.sessions.retrieve(stripe_id)))


def iterate(
    client: StripeClient, *, created_since: datetime | None = None
) -> Iterator[CheckoutSnapshot]:
    """Every session of the account, newest first."""
    params: SessionListParams = {"limit": PAGE}
    if created_since is not None:
        params["created"] = {"gte": int(created_since.timestamp())}
    sessions = client.v1.checkout.sessions
    with translate():
        for session in sessions.list(params).auto_paging_iter():
            yield snapshot(plain(session))


def create(client: StripeClient, order: Order, *, idempotency_key: str) -> CheckoutSnapshot:
    """Open a hosted page. The session and what it makes name our row."""
    with translate():
        made = client.v1.checkout.sessions.create(
            _params(order), {"idempotency_key": idempotency_key}
        )
        return snapshot(plain(made))


def expire(client: StripeClient, stripe_id: str, *, idempotency_key: str) -> CheckoutSnapshot:
    """Close an open page. Raises StripeRefused when it is not open any more."""
    with translate():
        closed = client.v1.checkout.sessions.expire(
            stripe_id, {}, {"idempotency_key": idempotency_key}
        )
        return snapshot(plain(closed))


def _params(order: Order) -> SessionCreateParams:
    labels = labelled(order.our_id, order.metadata)
    params: SessionCreateParams = {
        "mode": "subscription" if order.is_subscription else "payment",
        "customer": order.customer_stripe_id,
        "client_reference_id": order.our_id,
        "line_items": [{"price": price, "quantity": quantity} for price, quantity in order.lines],
        "success_url": order.success_url,
        "metadata": labels,
    }
    if order.cancel_url:
        params["cancel_url"] = order.cancel_url
    if order.allow_promotion_codes:
        params["allow_promotion_codes"] = True
    if not order.is_subscription:
        params["payment_intent_data"] = {"metadata": labels}
        return params
    params["subscription_data"] = {"metadata": labels}
    if order.trial_period_days:
        params["subscription_data"]["trial_period_days"] = order.trial_period_days
    return params
