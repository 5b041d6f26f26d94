"""What Stripe says about an object, in our words: frozen, complete, and free of the SDK.

Amounts are minor units, times are aware and in UTC, ``metadata`` is the tenant's own. ``our_id``
is the id of the row of ours that asked for the object, as its metadata claims; a claim, no proof.
A status that Stripe adds tomorrow arrives here as the string that it is.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

REFUND_GONE = frozenset({"failed", "canceled"})
"""A refund in one of these states gave nothing back; any other counts in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One object at Stripe. ``deleted`` objects carry nothing but their id."""

    stripe_id: str
    our_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    deleted: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSnapshot(Snapshot):
    """``balance`` in minor units of ``currency``; negative is a credit."""

    email: str = ""
    name: str = ""
    currency: str = ""
    balance: int = 0
    delinquent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSnapshot(Snapshot):
    name: str = ""
    description: str = ""
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSnapshot(Snapshot):
    """``unit_amount`` is None for a price without one whole amount: tiers, or parts of a cent."""

    product_stripe_id: str = ""
    nickname: str = ""
    type: str = ""
    currency: str = ""
    unit_amount: int | None = None
    interval: str = ""
    interval_count: int = 1
    usage_type: str = ""
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponSnapshot(Snapshot):
    """Either a percentage, exact to two digits, or minor units of ``currency``."""

    name: str = ""
    percent_off: Decimal | None = None
    amount_off: int | None = None
    currency: str = ""
    duration: str = ""
    duration_in_months: int | None = None
    max_redemptions: int | None = None
    times_redeemed: int = 0
    redeem_by: datetime | None = None
    valid: bool = False
    product_stripe_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionCodeSnapshot(Snapshot):
    coupon_stripe_id: str
    code: str
    active: bool
    customer_stripe_id: str | None
    max_redemptions: int | None
    times_redeemed: int
    expires_at: datetime | None
    first_time_transaction: bool
    minimum_amount: int | None
    minimum_amount_currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSnapshot(Snapshot):
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
    payment_stripe_id: str | None
    subscription_stripe_id: str | None
    invoice_stripe_id: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSnapshot:
    stripe_id: str
    our_id: str | None
    status: str
    currency: str
    amount: int
    reason: str
    refunded_at: datetime
    failure_reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether the money goes, or has gone, back."""
        return self.status not in REFUND_GONE


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSnapshot:
    stripe_id: str
    status: str
    currency: str
    amount: int
    reason: str
    evidence_due_by: datetime | None
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSnapshot(Snapshot):
    """A PaymentIntent with its latest charge, that charge's refunds and disputes, read together.

    Whoever holds the ``client_secret`` may pay; it is never shown, logged or compared.
    ``cancellation_reason`` is Stripe's word, empty unless it is canceled.
    """

    customer_stripe_id: str | None
    status: str
    currency: str
    amount: int
    amount_received: int
    failure_code: str
    failure_message: str
    paid_at: datetime | None
    refunds: tuple[RefundSnapshot, ...]
    disputes: tuple[DisputeSnapshot, ...] = ()
    client_secret: str = field(default="", repr=False, compare=False)
    canceled_at: datetime | None = None
    cancellation_reason: str = ""
    payment_method_type: str = ""

    @property
    def amount_refunded(self) -> int:
        """The sum of the refunds that count."""
        return sum(refund.amount for refund in self.refunds if refund.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionItemSnapshot:
    stripe_id: str
    price_stripe_id: str
    product_stripe_id: str
    quantity: int
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledItemSnapshot:
    """What a subscription will be billed for from a later date on."""

    price_stripe_id: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountSnapshot:
    """A coupon at work; ``ends_at`` is None while nothing ends it."""

    stripe_id: str
    coupon_stripe_id: str
    promotion_code_stripe_id: str | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSnapshot(Snapshot):
    """``cancel_at`` is when it will end, however the cancellation was asked for.

    ``scheduled_items`` are billed from ``scheduled_at`` on, if something else is planned.
    ``pause_behavior`` is empty unless its collection is paused.
    """

    customer_stripe_id: str
    status: str
    currency: str
    started_at: datetime
    trial_ends_at: datetime | None
    cancel_at: datetime | None
    canceled_at: datetime | None
    ended_at: datetime | None
    latest_invoice_stripe_id: str | None
    items: tuple[SubscriptionItemSnapshot, ...]
    pause_behavior: str = ""
    resumes_at: datetime | None = None
    schedule_stripe_id: str | None = None
    scheduled_at: datetime | None = None
    scheduled_items: tuple[ScheduledItemSnapshot, ...] = ()
    discounts: tuple[DiscountSnapshot, ...] = ()
    automatic_tax: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLineSnapshot:
    stripe_id: str
    description: str
    price_stripe_id: str | None
    quantity: int | None
    amount: int
    discount: int = 0
    tax: int = 0
    """What is added to the amount; a tax that the amount includes is not."""
    currency: str
    is_proration: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxSnapshot:
    """``is_inclusive``: the price contains it, so that it adds nothing to the total."""

    amount: int
    is_inclusive: bool
    taxable_amount: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDiscountSnapshot:
    """What one discount takes off; a discount that Stripe has forgotten names no coupon."""

    amount: int
    coupon_stripe_id: str | None
    promotion_code_stripe_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePaymentSnapshot:
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
class CreditNoteSnapshot:
    """``amount`` with taxes."""

    stripe_id: str
    number: str
    status: str
    reason: str
    currency: str
    amount: int
    issued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSnapshot(Snapshot):
    """``issued_at`` is when it took effect, or for a draft when it was made.

    ``total`` is ``subtotal`` less ``discount`` with the taxes that are not included in it, and so
    line by line. ``amount_credited`` is what credit notes took off.
    """

    customer_stripe_id: str | None = None
    subscription_stripe_id: str | None = None
    number: str = ""
    status: str = ""
    billing_reason: str = ""
    currency: str = ""
    subtotal: int = 0
    discount: int = 0
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
    paid_at: datetime | None = None
    payments: tuple[InvoicePaymentSnapshot, ...] = ()
    credit_notes: tuple[CreditNoteSnapshot, ...] = ()
    lines: tuple[InvoiceLineSnapshot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSnapshot:
    """One entry of Stripe's list of events; ``payload`` is the whole event as plain data."""

    stripe_id: str
    type: str
    created_at: datetime
    payload: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """The account behind a secret key."""

    stripe_id: str
    name: str
    country: str
    charges_enabled: bool
