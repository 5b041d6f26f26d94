"""Invoices with their lines, taxes, discounts, payments and credit notes."""

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
    """Exclusive taxes only: those that are added to the amount."""
    currency: str
    is_proration: bool
    is_credit: bool = False
    """Whether it credits part of what an earlier line billed."""
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxSnapshot(Checked):
    """``is_inclusive``: the price contains the tax, so it adds nothing to the total."""

    amount: int
    is_inclusive: bool
    taxable_amount: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDiscountSnapshot(Checked):
    """Amount of one discount; a discount that Stripe no longer has names no coupon."""

    amount: int
    coupon_stripe_id: str | None
    promotion_code_stripe_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePaymentSnapshot(Checked):
    """A payment of an invoice. ``payment_stripe_id`` is None for money that came without a
    PaymentIntent.

    ``status`` is ``processing`` where Stripe says ``open`` while the bank has not answered yet.
    """

    stripe_id: str
    payment_stripe_id: str | None
    status: str
    currency: str
    amount_requested: int
    amount_paid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteSnapshot(Checked):
    """``amount`` includes taxes."""

    stripe_id: str
    number: str
    status: str
    reason: str
    currency: str
    amount: int
    issued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSnapshot(StripeSnapshot):
    """``issued_at`` is when it took effect; for a draft, when it was created.

    ``total`` is ``subtotal`` less ``discount`` and ``billing_credits``, plus exclusive taxes; the
    same holds for each line. ``amount_credited`` is the sum of its credit notes.
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
