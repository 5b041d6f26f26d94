"""Payments with their refunds and disputes: one read brings them all, so they always agree."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Model

from billing import representation
from billing.models import Dispute, InvoicePayment, Payment, Refund, StripeAccount
from billing.models.dispute import Standing, is_withheld, standing
from billing.models.payment import PaymentStatus, PaymentType
from billing.selectors import owners
from billing.selectors.owners import Owner
from billing.services import carts, provisioning
from billing.services.apply import page_payments
from billing.services.apply.announce import write_and_tell
from billing.services.apply.mapper import Mapper
from billing.services.apply.plan import Children, Differences, Plan, Values
from billing.stripe.snapshots import REFUND_GONE, PaymentSnapshot, RefundSnapshot
from common import crypto
from events.catalog import EventType
from projects.models import Customer

_STATUSES = {
    "requires_payment_method": PaymentStatus.PENDING,
    "requires_confirmation": PaymentStatus.PENDING,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "processing": PaymentStatus.PROCESSING,
    "requires_capture": PaymentStatus.PROCESSING,
    "canceled": PaymentStatus.CANCELED,
}
SUCCEEDED, CANCELED = "succeeded", "canceled"
AUTHENTICATION = "authentication_required"
"""The bank wants the buyer present: nothing failed for good."""
ABANDONED = "abandoned"
"""The reason that we give Stripe when a payment's time is over, and never else."""
TOLD = {
    PaymentStatus.FAILED: EventType.PAYMENT_FAILED,
    PaymentStatus.EXPIRED: EventType.PAYMENT_EXPIRED,
    PaymentStatus.CANCELED: EventType.PAYMENT_CANCELED,
}
"""The event that a change of status has of its own."""


def status_of(snapshot: PaymentSnapshot) -> PaymentStatus:
    """Where the money is. A word of Stripe's that we do not know means that it is under way."""
    if snapshot.status == SUCCEEDED:
        if any(is_withheld(dispute.status, dispute.case_type) for dispute in snapshot.disputes):
            return PaymentStatus.DISPUTED
        if not snapshot.amount_refunded:
            return PaymentStatus.PAID
        in_full = snapshot.amount_refunded >= snapshot.amount_received
        return PaymentStatus.REFUNDED if in_full else PaymentStatus.PARTIALLY_REFUNDED
    if snapshot.status == "requires_payment_method" and snapshot.failure_code:
        wanted = snapshot.failure_code == AUTHENTICATION
        return PaymentStatus.REQUIRES_ACTION if wanted else PaymentStatus.FAILED
    return _STATUSES.get(snapshot.status, PaymentStatus.PROCESSING)


def _owner(account: StripeAccount, snapshot: PaymentSnapshot) -> Owner | None:
    """Our row's, else its customer's, unless that one's page may have made it."""
    row = _row(account, snapshot)
    if row is not None:
        return Owner(row.project_id, row.customer_id)
    owner = owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)
    if owner is None:
        return None
    _, checkout = _bought_with(account, owner, snapshot)
    if page_payments.waiting_for(owner, checkout) is not None:
        return owner
    return None if page_payments.is_undecided(owner, snapshot) else owner


def _row(account: StripeAccount, snapshot: PaymentSnapshot) -> Payment | None:
    """Our row, if the payment has no customer at Stripe or the row's own."""
    row = owners.claimed_row(
        Payment, account=account, stripe_id=snapshot.stripe_id, our_id=snapshot.our_id
    )
    if row is None or not snapshot.customer_stripe_id or row.stripe_id:
        return row
    owner = owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)
    return row if owner == Owner(row.project_id, row.customer_id) else None


def _bought_with(
    account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot
) -> tuple[str, str | None]:
    """Stripe's id of the invoice that it pays, and our id of the checkout that it came from."""
    invoice = page_payments.invoice_of(owner, snapshot.stripe_id)
    return invoice, page_payments.checkout_id(
        account=account, owner=owner, snapshot=snapshot, invoice_stripe_id=invoice
    )


def _plan(account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot) -> Plan[Payment]:
    row = _row(account, snapshot)
    invoice, checkout = _bought_with(account, owner, snapshot)
    if row is None:
        row = page_payments.waiting_for(owner, checkout) or Payment(
            project_id=owner.project_id, account=account
        )
    return Plan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "customer_id": owner.customer_id,
            "checkout_id": row.checkout_id or checkout,
            "invoice_stripe_id": row.invoice_stripe_id or invoice,
            "stripe_status": snapshot.status,
            "currency": snapshot.currency,
            "amount": snapshot.amount,
            "amount_received": snapshot.amount_received,
            "amount_refunded": snapshot.amount_refunded,
            "amount_disputed": _disputed(snapshot),
            "payment_method_type": snapshot.payment_method_type or row.payment_method_type,
            "failure_code": snapshot.failure_code,
            "failure_message": snapshot.failure_message,
            "paid_at": snapshot.paid_at if snapshot.status == SUCCEEDED else None,
            "metadata": snapshot.metadata,
            **_standing(row, snapshot),
            **_secret(row, snapshot),
        },
        children=(_refunds(account, row, snapshot), _disputes(account, row, snapshot)),
    )


def _disputed(snapshot: PaymentSnapshot) -> int:
    """What banks withhold, or have taken for good."""
    return sum(
        each.amount for each in snapshot.disputes if is_withheld(each.status, each.case_type)
    )


def _standing(row: Payment, snapshot: PaymentSnapshot) -> Values:
    """The status. Stripe has no word for ``expired``: a page closed, or we have canceled because
    the time was over."""
    if page_payments.has_ended(row, snapshot):
        closed = row.checkout.synced_at if row.checkout is not None else None
        return page_payments.ended(row, snapshot.canceled_at or closed)
    is_abandoned = snapshot.status == CANCELED and snapshot.cancellation_reason == ABANDONED
    if is_abandoned and row.expires_at is not None:
        return {"status": PaymentStatus.EXPIRED, "expired_at": snapshot.canceled_at}
    return {"status": status_of(snapshot)}


def _secret(row: Payment, snapshot: PaymentSnapshot) -> Values:
    """What the project's own front end confirms with, kept once and encrypted."""
    if row.type != PaymentType.INTENT or row.client_secret or not snapshot.client_secret:
        return {}
    sealed = crypto.encrypt(snapshot.client_secret, context=row.secret_context)
    return {"client_secret": sealed}


def _refunds(account: StripeAccount, payment: Payment, snapshot: PaymentSnapshot) -> Children:
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
        wanted={refund.stripe_id: _refund_values(refund) for refund in snapshot.refunds},
        new=lambda stripe_id: Refund(
            project_id=payment.project_id, account=account, payment=payment
        ),
    )


def _refund_values(refund: RefundSnapshot) -> Values:
    return {
        "stripe_id": refund.stripe_id,
        "status": refund.status,
        "currency": refund.currency,
        "amount": refund.amount,
        "reason": refund.reason,
        "failure_reason": refund.failure_reason,
        "metadata": refund.metadata,
        "refunded_at": refund.refunded_at,
    }


def _disputes(account: StripeAccount, payment: Payment, snapshot: PaymentSnapshot) -> Children:
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


def _gone(row: Payment, at: datetime) -> Values:
    """What was paid stays paid; an attempt that Stripe forgot will not come to anything."""
    if row.paid_at is not None or row.expired_at is not None:
        return {}
    return {"stripe_status": "canceled", "status": PaymentStatus.CANCELED}


def _carry_out(planned: Plan[Payment], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    planned.row.customer = customer
    write_and_tell(
        planned, customer=customer, render=representation.payment, happened=_happened, at=at
    )
    _settle_invoices(planned.row)
    provisioning.follow_payment(payment=planned.row, customer=customer, at=at)
    if planned.row.checkout is not None:
        carts.follow(checkout=planned.row.checkout, at=at)


def _settle_invoices(row: Payment) -> None:
    """Invoices that knew of the payment before we did."""
    InvoicePayment.objects.for_project(row.project_id).filter(
        invoice__account_id=row.account_id,
        invoice__customer_id=row.customer_id,
        payment_stripe_id=row.stripe_id,
        payment__isnull=True,
    ).update(payment=row)


def _happened(planned: Plan[Payment], differences: Differences) -> Iterator[EventType]:
    if planned.row.synced_at is None:
        yield EventType.PAYMENT_CREATED
    if planned.row.paid_at is None and planned.values.get("paid_at") is not None:
        yield EventType.PAYMENT_PAID
    if "status" in differences and differences["status"][1] in TOLD:
        yield TOLD[differences["status"][1]]
    yield from _refunded(planned, differences)
    yield from _contested(planned)


def _refunded(planned: Plan[Payment], differences: Differences) -> Iterator[EventType]:
    """Money that went back, and money that was to go back and did not."""
    bounced = sum(
        row.amount
        for row, values in _below(planned, "refunds")
        if isinstance(row, Refund)
        and row.status not in {"", *REFUND_GONE}
        and values["status"] in REFUND_GONE
    )
    before, after = differences.get("amount_refunded", (0, 0))
    if after + bounced > before:
        yield EventType.PAYMENT_REFUNDED
    if bounced:
        yield EventType.PAYMENT_REFUND_FAILED


def _contested(planned: Plan[Payment]) -> Iterator[EventType]:
    """What banks have begun and ended: at most one of each, whatever their number."""
    moves = [
        (
            row.standing if isinstance(row, Dispute) else None,
            standing(values["status"], values["case_type"]),
        )
        for row, values in _below(planned, "disputes")
    ]
    changes = {after for before, after in moves if before != after}
    if changes & {Standing.INQUIRY, Standing.OPEN}:
        yield EventType.PAYMENT_DISPUTED
    if changes & {Standing.WON, Standing.LOST}:
        yield EventType.PAYMENT_DISPUTE_CLOSED


def _below(planned: Plan[Payment], name: str) -> Iterator[tuple[Model | None, Values]]:
    """Each row of that name with what it is to say; None for one that is new."""
    for each in planned.children:
        if each.name == name:
            for stripe_id, values in each.wanted.items():
                yield each.rows.get(stripe_id), values


MAPPER: Mapper[PaymentSnapshot, Payment] = Mapper(
    model=Payment, owner=_owner, plan=_plan, gone=_gone, carry_out=_carry_out
)
