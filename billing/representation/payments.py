"""Payments with their refunds and disputes. The client secret and page URL are only in API
answers."""

from typing import Annotated, Literal, TypedDict

from billing.models import Dispute, EarlyFraudWarning, Payment, Refund
from billing.models.dispute import DisputeStage
from billing.models.payment import PaymentStatus, PaymentType
from billing.representation.detected import DetectedBody
from common.bodies import MoneyBody, Time, money
from common.prepared_relations import rows_of
from common.times import rfc3339

DisputeOutcome = Literal["won", "lost"]
OUTCOMES: dict[str, DisputeOutcome] = {DisputeStage.WON: "won", DisputeStage.LOST: "lost"}
"""The outcome of each final stage; an undecided dispute has none."""


class FailureBody(TypedDict):
    """Why the last attempt failed, in Stripe's words."""

    code: str
    message: str


class RefundLineBody(TypedDict):
    """The part of a refund that is for one line of the purchase."""

    line: str
    quantity: Annotated[int | None, "The refunded quantity; null if an amount was requested."]
    amount: MoneyBody


class RefundBody(TypedDict):
    """A full or partial refund of a payment."""

    id: str
    payment: str
    status: Annotated[
        str,
        "Stripe's: pending, requires_action, succeeded, failed or canceled. A refund that "
        "succeeded may still fail days later.",
    ]
    amount: MoneyBody
    lines: Annotated[
        list[RefundLineBody], "Empty if it names no lines, as refunds from Stripe's dashboard do."
    ]
    reason: str | None
    failure_reason: str | None
    metadata: dict[str, str]
    stripe_id: str
    refunded_at: Time


class DisputeBody(TypedDict):
    """A payment, or part of one, that the buyer disputes at the bank."""

    id: str
    payment: str
    status: Annotated[str, "Stripe's status of the dispute."]
    is_inquiry: Annotated[bool, "The bank only asks: no money has moved, and access stays."]
    outcome: Annotated[DisputeOutcome | None, "Null until it is decided. A closed inquiry is won."]
    amount: MoneyBody
    reason: Annotated[str | None, "Stripe's: fraudulent, …"]
    evidence_due_by: Annotated[Time | None, "Deadline for evidence at Stripe."]
    stripe_id: str
    opened_at: Time


class FraudWarningBody(TypedDict):
    """The card's issuer suspects that the payment is fraud. Nothing is refunded automatically."""

    id: str
    fraud_type: Annotated[str, "Stripe's: made_with_stolen_card, misc, …"]
    actionable: Annotated[
        bool, "Whether a refund can still prevent a dispute: neither disputed nor refunded yet."
    ]
    stripe_id: str
    warned_at: Time


class RefundedLineBody(TypedDict):
    """A line of the purchase, and the amount refunded for it."""

    line: str
    amount: MoneyBody


class PaymentBody(TypedDict):
    """A payment that is to be made, or was made."""

    id: str
    type: Annotated[
        Annotated[str, PaymentType] | None,
        "Null for a payment that was not created with POST /payments.",
    ]
    detected: DetectedBody | None
    status: Annotated[str, PaymentStatus]
    customer: str
    user_id: str
    checkout: str | None
    reference: str | None
    description: str | None
    workflow_id: Annotated[str | None, "The Temporal workflow that is signaled."]
    amount: MoneyBody
    amount_received: MoneyBody
    amount_refunded: Annotated[MoneyBody, "Refunded, or being refunded."]
    refunded_lines: Annotated[
        list[RefundedLineBody], "Amounts refunded per line, by refunds that name lines."
    ]
    amount_disputed: Annotated[MoneyBody, "Withheld by open disputes, or lost in disputes."]
    invoice: Annotated[str | None, "The invoice that it pays."]
    failure: FailureBody | None
    refunds: list[RefundBody]
    disputes: list[DisputeBody]
    fraud_warnings: list[FraudWarningBody]
    off_session: bool
    save_payment_method: bool
    payment_method_type: Annotated[str | None, "Stripe's: card, us_bank_account, …"]
    metadata: dict[str, str]
    stripe_id: Annotated[str | None, "Null until the buyer pays on the checkout page."]
    expires_at: Time | None
    expired_at: Time | None
    paid_at: Time | None
    created_at: Time


class PaymentStatusBody(TypedDict):
    """The status of a payment, without its other data."""

    id: str
    status: Annotated[str, PaymentStatus]
    amount: MoneyBody
    paid_at: Time | None
    failure: FailureBody | None


def payment(row: Payment) -> PaymentBody:
    return {
        "id": row.pk,
        "type": row.type or None,
        "detected": row.detected or None,
        "status": row.status,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "checkout": row.checkout_id,
        "reference": row.reference or None,
        "description": row.description or None,
        "workflow_id": row.workflow_id or None,
        "amount": money(row.amount, row.currency),
        "amount_received": money(row.amount_received, row.currency),
        "amount_refunded": money(row.amount_refunded, row.currency),
        "refunded_lines": [
            {"line": line, "amount": money(amount, row.currency)}
            for line, amount in sorted(row.refunded_lines.items())
        ],
        "amount_disputed": money(row.amount_disputed, row.currency),
        "invoice": next((each.invoice_id for each in rows_of(row, "invoice_payments")), None),
        "failure": _failure(row),
        "refunds": [
            refund(each)
            for each in sorted(rows_of(row, "refunds"), key=lambda each: str(each.pk))
            if each.stripe_id
        ],
        "disputes": [
            dispute(each)
            for each in sorted(rows_of(row, "disputes"), key=lambda each: str(each.pk))
        ],
        "fraud_warnings": [
            fraud_warning(each)
            for each in sorted(rows_of(row, "fraud_warnings"), key=lambda each: str(each.pk))
        ],
        "off_session": row.off_session,
        "save_payment_method": row.save_payment_method,
        "payment_method_type": row.payment_method_type or None,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "expires_at": rfc3339(row.expires_at),
        "expired_at": rfc3339(row.expired_at),
        "paid_at": rfc3339(row.paid_at),
        "created_at": rfc3339(row.created_at),
    }


def payment_status(row: Payment) -> PaymentStatusBody:
    """The data that a page needs while it waits for the payment."""
    return {
        "id": row.pk,
        "status": row.status,
        "amount": money(row.amount, row.currency),
        "paid_at": rfc3339(row.paid_at),
        "failure": _failure(row),
    }


def refund(row: Refund) -> RefundBody:
    return {
        "id": row.pk,
        "payment": row.payment_id,
        "status": row.status or "pending",
        "amount": money(row.amount, row.currency),
        "reason": row.reason or None,
        "failure_reason": row.failure_reason or None,
        "lines": [
            {
                "line": line["line"],
                "amount": money(line["amount"], row.currency),
                "quantity": line["quantity"],
            }
            for line in row.lines
        ],
        "metadata": row.metadata,
        "stripe_id": row.id_at_stripe,
        "refunded_at": rfc3339(row.refunded_at),
    }


def dispute(row: Dispute) -> DisputeBody:
    """``outcome`` is None until the bank has decided; a closed inquiry is ``won``."""
    return {
        "id": row.pk,
        "payment": row.payment_id,
        "status": row.status,
        "is_inquiry": row.stage == DisputeStage.INQUIRY,
        "outcome": OUTCOMES.get(row.stage),
        "amount": money(row.amount, row.currency),
        "reason": row.reason or None,
        "evidence_due_by": rfc3339(row.evidence_due_by),
        "stripe_id": row.id_at_stripe,
        "opened_at": rfc3339(row.opened_at),
    }


def fraud_warning(row: EarlyFraudWarning) -> FraudWarningBody:
    return {
        "id": row.pk,
        "fraud_type": row.fraud_type,
        "actionable": row.actionable,
        "stripe_id": row.id_at_stripe,
        "warned_at": rfc3339(row.warned_at),
    }


def _failure(row: Payment) -> FailureBody | None:
    if not row.failure_code:
        return None
    return {"code": row.failure_code, "message": row.failure_message}
