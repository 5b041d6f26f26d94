"""Plan the rows that belong to a payment: its refunds, with their lines, and its disputes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from billing.models import Dispute, Payment, Refund, StripeAccount
from billing.stripe.snapshots import PaymentSnapshot, RefundSnapshot
from billing.sync.plan import Children, Values
from common.prepared_relations import rows_of


def list_refunds(payment: Payment) -> list[Refund]:
    """Return our rows of the payment's refunds; none for a payment that is not stored yet."""
    return [] if payment._state.adding else rows_of(payment, "refunds")


def plan_refunds(
    *,
    account: StripeAccount,
    payment: Payment,
    stored_rows: Sequence[Refund],
    snapshot: PaymentSnapshot,
) -> Children:
    """Match the snapshot's refunds with our rows by Stripe id; plan new rows for the others.

    A row that has no Stripe id yet is matched by the id of ours in the refund's metadata. Stripe
    never deletes a refund, so rows that the snapshot lacks are newer than it and stay.
    """
    stripe_ids = {refund.stripe_id for refund in snapshot.refunds}
    rows = {row.stripe_id: row for row in stored_rows if row.stripe_id in stripe_ids}
    unsent_rows = {row.pk: row for row in stored_rows if not row.stripe_id}
    for refund in snapshot.refunds:
        if refund.stripe_id not in rows and refund.our_id in unsent_rows:
            rows[refund.stripe_id] = unsent_rows[refund.our_id]
    return Children(
        name="refunds",
        rows=rows,
        values_by_id={
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
        "lines": _refund_lines(refund, row),
        "refunded_at": refund.refunded_at,
    }


def _refund_lines(refund: RefundSnapshot, row: Refund | None) -> list[dict[str, Any]]:
    """Return the lines of our own request, else those in the refund's metadata."""
    return row.lines if row is not None and row.lines else [asdict(line) for line in refund.lines]


def sum_refunded_lines(
    *, stored_rows: Sequence[Refund], snapshot: PaymentSnapshot
) -> dict[str, int]:
    """Sum the refunded minor units by line id, of refunds that were not refused or canceled."""
    rows = {row.stripe_id: row for row in stored_rows} | {row.pk: row for row in stored_rows}
    amounts: Counter[str] = Counter()
    for refund in filter(lambda refund: refund.counts, snapshot.refunds):
        row = rows.get(refund.stripe_id) or rows.get(refund.our_id)
        for line in _refund_lines(refund, row):
            amounts[line["line"]] += line["amount"]
    return dict(amounts)


def plan_disputes(
    *, account: StripeAccount, payment: Payment, snapshot: PaymentSnapshot
) -> Children:
    """Match the snapshot's disputes with our rows by Stripe id; plan new rows for the others."""
    stored_rows = [] if payment._state.adding else rows_of(payment, "disputes")
    return Children(
        name="disputes",
        rows={str(row.stripe_id): row for row in stored_rows},
        values_by_id={
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
