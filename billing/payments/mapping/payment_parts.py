"""What hangs below a payment: its refunds with the lines that they name, and its disputes."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from billing.models import Dispute, Payment, Refund, StripeAccount
from billing.stripe.snapshots import PaymentSnapshot, RefundSnapshot
from billing.sync.plan import Children, Values


def refunds(*, account: StripeAccount, payment: Payment, snapshot: PaymentSnapshot) -> Children:
    """By Stripe id; a refund row of ours that still waits for its object is found by metadata.

    Stripe never takes one back: a row that it did not tell of was made after it was asked.
    """
    ours = [] if payment._state.adding else list(payment.refunds.all())
    told = {refund.stripe_id for refund in snapshot.refunds}
    rows = {row.stripe_id: row for row in ours if row.stripe_id in told}
    waiting = {row.pk: row for row in ours if not row.stripe_id}
    for refund in snapshot.refunds:
        if refund.stripe_id not in rows and refund.our_id in waiting:
            rows[refund.stripe_id] = waiting[refund.our_id]
    return Children(
        name="refunds",
        rows=rows,
        wanted={
            refund.stripe_id: _refund_values(refund, rows.get(refund.stripe_id))
            for refund in snapshot.refunds
        },
        new=lambda stripe_id: Refund(
            project_id=payment.project_id, account=account, payment=payment
        ),
    )


def _refund_values(refund: RefundSnapshot, row: Refund | None) -> Values:
    return {
        "stripe_id": refund.stripe_id,
        "status": refund.status,
        "currency": refund.currency,
        "amount": refund.amount,
        "reason": refund.reason,
        "failure_reason": refund.failure_reason,
        "metadata": refund.metadata,
        "lines": _lines(refund, row),
        "refunded_at": refund.refunded_at,
    }


def _lines(refund: RefundSnapshot, row: Refund | None) -> list[dict[str, Any]]:
    """Those of our own request, else those that the refund's metadata names."""
    return row.lines if row is not None and row.lines else [asdict(each) for each in refund.lines]


def refunded_lines(*, payment: Payment, snapshot: PaymentSnapshot) -> dict[str, int]:
    """What refunds that count gave back of single lines, in minor units, by line."""
    ours = [] if payment._state.adding else list(payment.refunds.all())
    rows = {row.stripe_id: row for row in ours} | {row.pk: row for row in ours}
    found: Counter[str] = Counter()
    for refund in filter(lambda each: each.counts, snapshot.refunds):
        for each in _lines(refund, rows.get(refund.stripe_id) or rows.get(refund.our_id)):
            found[each["line"]] += each["amount"]
    return dict(found)


def disputes(*, account: StripeAccount, payment: Payment, snapshot: PaymentSnapshot) -> Children:
    ours = [] if payment._state.adding else list(payment.disputes.all())
    return Children(
        name="disputes",
        rows={str(row.stripe_id): row for row in ours},
        wanted={
            dispute.stripe_id: {
                "stripe_id": dispute.stripe_id,
                "status": dispute.status,
                "case_type": dispute.case_type,
                "currency": dispute.currency,
                "amount": dispute.amount,
                "reason": dispute.reason,
                "evidence_due_by": dispute.evidence_due_by,
                "opened_at": dispute.opened_at,
            }
            for dispute in snapshot.disputes
        },
        new=lambda stripe_id: Dispute(
            project_id=payment.project_id, account=account, payment=payment
        ),
    )
