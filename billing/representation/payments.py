"""Payments with their refunds and disputes. How to pay (secret, page) is told by the API alone."""

from billing.models import Dispute, EarlyFraudWarning, Payment, Refund
from billing.models.dispute import Standing
from billing.representation.values import Json, moment, money


def payment(row: Payment) -> Json:
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
        "amount": money(row.amount, row.currency),
        "amount_received": money(row.amount_received, row.currency),
        "amount_refunded": money(row.amount_refunded, row.currency),
        "refunded_lines": [
            {"line": line, "amount": money(amount, row.currency)}
            for line, amount in sorted(row.refunded_lines.items())
        ],
        "amount_disputed": money(row.amount_disputed, row.currency),
        "invoice": next((each.invoice_id for each in row.invoice_payments.all()), None),
        "failure": _failure(row),
        "refunds": [
            refund(each)
            for each in sorted(row.refunds.all(), key=lambda each: str(each.pk))
            if each.stripe_id
        ],
        "disputes": [
            dispute(each) for each in sorted(row.disputes.all(), key=lambda each: str(each.pk))
        ],
        "fraud_warnings": [
            fraud_warning(each)
            for each in sorted(row.fraud_warnings.all(), key=lambda each: str(each.pk))
        ],
        "off_session": row.off_session,
        "save_payment_method": row.save_payment_method,
        "payment_method_type": row.payment_method_type or None,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "expires_at": moment(row.expires_at),
        "expired_at": moment(row.expired_at),
        "paid_at": moment(row.paid_at),
        "created_at": moment(row.created_at),
    }


def standing(row: Payment) -> Json:
    """As little as a page that waits for the money needs."""
    return {
        "id": row.pk,
        "status": row.status,
        "amount": money(row.amount, row.currency),
        "paid_at": moment(row.paid_at),
        "failure": _failure(row),
    }


def refund(row: Refund) -> Json:
    return {
        "id": row.pk,
        "payment": row.payment_id,
        "status": row.status or "pending",
        "amount": money(row.amount, row.currency),
        "reason": row.reason or None,
        "failure_reason": row.failure_reason or None,
        "lines": [{**each, "amount": money(each["amount"], row.currency)} for each in row.lines],
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "refunded_at": moment(row.refunded_at),
    }


def dispute(row: Dispute) -> Json:
    """``outcome`` is empty until the bank has decided; an inquiry that ended is ``won``."""
    decided = row.standing in (Standing.WON, Standing.LOST)
    return {
        "id": row.pk,
        "payment": row.payment_id,
        "status": row.status,
        "is_inquiry": row.standing == Standing.INQUIRY,
        "outcome": row.standing.value if decided else None,
        "amount": money(row.amount, row.currency),
        "reason": row.reason or None,
        "evidence_due_by": moment(row.evidence_due_by),
        "stripe_id": row.stripe_id,
        "opened_at": moment(row.opened_at),
    }


def fraud_warning(row: EarlyFraudWarning) -> Json:
    return {
        "id": row.pk,
        "fraud_type": row.fraud_type,
        "actionable": row.actionable,
        "stripe_id": row.stripe_id,
        "warned_at": moment(row.warned_at),
    }


def _failure(row: Payment) -> Json | None:
    if not row.failure_code:
        return None
    return {"code": row.failure_code, "message": row.failure_message}
