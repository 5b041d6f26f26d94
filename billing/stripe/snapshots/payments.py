"""Payments with their refunds, disputes and fraud warnings."""

from dataclasses import dataclass, field
from datetime import datetime

from billing.stripe.snapshots.base import Checked, StripeSnapshot

REFUND_GONE = frozenset({"failed", "canceled"})
"""A refund in one of these states returned nothing; in any other state it counts in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLineSnapshot(Checked):
    """A purchased line by our id, and the part of the refund that is for it, as the metadata
    says."""

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
        """Whether the money is on its way back or has arrived."""
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
    """A card issuer suspects fraud; ``customer_stripe_id`` is the customer of the payment."""

    customer_stripe_id: str | None
    payment_stripe_id: str | None
    fraud_type: str
    actionable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSnapshot(StripeSnapshot):
    """A PaymentIntent with its latest charge, and that charge's refunds and disputes, read
    together.

    Anybody with the ``client_secret`` can pay; it is never shown, logged or compared.
    ``cancellation_reason`` is in Stripe's words; empty unless the payment is canceled.
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
    workflow_id: str = ""

    @property
    def amount_refunded(self) -> int:
        """Sum of the refunds that count, in minor units."""
        return sum(refund.amount for refund in self.refunds if refund.counts)
