"""Invoices with what they say and what settles them."""

from dataclasses import dataclass
from datetime import datetime

from billing.stripe.snapshots.base import Checked, StripeSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLineSnapshot(Checked):
    stripe_id: str
    description: str
    price_stripe_id: str | None
    quantity: int | None
    amount: int
    discount: int = 0
    billing_credits: int = 0
    tax: int = 0
    """What is added to the amount; a tax that the amount includes is not."""
    currency: str
    is_proration: bool
    is_credit: bool = False
    """Whether it gives back a part of what another line billed before."""
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxSnapshot(Checked):
    """``is_inclusive``: the price contains it, so that it adds nothing to the total."""

    amount: int
    is_inclusive: bool
    taxable_amount: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDiscountSnapshot(Checked):
    """What one discount takes off; a discount that Stripe has forgotten names no coupon."""

    amount: int
    coupon_stripe_id: str | None
    promotion_code_stripe_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePaymentSnapshot(Checked):
    """Which PaymentIntent settles the invoice; None for money that came another way.

    ``status`` is ``processing`` where Stripe says ``open`` while a bank has yet to answer.
    """

    stripe_id: str
    payment_stripe_id: str | None
    status: str
    currency: str
    amount_requested: int
    amount_paid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteSnapshot(Checked):
    """``amount`` with taxes."""

    stripe_id: str
    number: str
    status: str
    reason: str
    currency: str
    amount: int
    issued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSnapshot(StripeSnapshot):
    """``issued_at`` is when it took effect, or for a draft when it was made.

    ``total`` is ``subtotal`` less ``discount`` and ``billing_credits`` with the taxes that are not
    included in it, and so line by line. ``amount_credited`` is what credit notes took off.
    """

    customer_stripe_id: str | None = None
    subscription_stripe_id: str | None = None
    number: str = ""
    status: str = ""
    billing_reason: str = ""
    currency: str = ""
    subtotal: int = 0
    discount: int = 0
    billing_credits: int = 0
    tax: int = 0
    total: int = 0
    amount_due: int = 0
    amount_paid: int = 0
    amount_remaining: int = 0
    amount_credited: int = 0
    taxes: tuple[TaxSnapshot, ...] = ()
    discounts: tuple[InvoiceDiscountSnapshot, ...] = ()
    attempt_count: int = 0
    next_attempt_at: datetime | None = None
    hosted_url: str = ""
    pdf_url: str = ""
    issued_at: datetime | None = None
    due_at: datetime | None = None
    paid_at: datetime | None = None
    payments: tuple[InvoicePaymentSnapshot, ...] = ()
    credit_notes: tuple[CreditNoteSnapshot, ...] = ()
    lines: tuple[InvoiceLineSnapshot, ...] = ()
