"""Payments with what went back of them."""

from dataclasses import dataclass, field
from datetime import datetime

from billing.stripe.snapshots.base import Checked, StripeSnapshot

REFUND_GONE = frozenset({"failed", "canceled"})
"""A refund in one of these states gave nothing back; any other counts in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLineSnapshot(Checked):
    """A line of the purchase by our id, and what of the refund is for it, as its metadata says."""

    line: str
    amount: int
    quantity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSnapshot(Checked):
    stripe_id: str
    our_id: str | None
    status: str
    currency: str
    amount: int
    reason: str
    refunded_at: datetime
    failure_reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    lines: tuple[RefundLineSnapshot, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether the money goes, or has gone, back."""
        return self.status not in REFUND_GONE


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSnapshot(Checked):
    stripe_id: str
    status: str
    case_type: str = ""
    currency: str
    amount: int
    reason: str
    evidence_due_by: datetime | None
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudWarningSnapshot(StripeSnapshot):
    """What a card's issuer says of a payment; ``customer_stripe_id`` is the payment's."""

    customer_stripe_id: str | None
    payment_stripe_id: str | None
    fraud_type: str
    actionable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSnapshot(StripeSnapshot):
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
