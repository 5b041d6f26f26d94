"""Checkout sessions."""

from dataclasses import dataclass
from datetime import datetime

from billing.stripe.snapshots.base import Checked, StripeSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutLineSnapshot(Checked):
    """One line of a session; ``total`` includes discounts and taxes."""

    price_stripe_id: str
    quantity: int | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSnapshot(StripeSnapshot):
    customer_stripe_id: str | None
    mode: str
    status: str
    payment_status: str
    url: str
    currency: str
    amount_total: int | None
    amount_subtotal: int | None = None
    amount_discount: int = 0
    amount_tax: int = 0
    line_totals: tuple[CheckoutLineSnapshot, ...] = ()
    payment_stripe_id: str | None
    subscription_stripe_id: str | None
    invoice_stripe_id: str | None
    expires_at: datetime
