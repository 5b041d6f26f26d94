"""Payments with their refunds: one read brings both, so the two always agree."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q

from billing import representation
from billing.models import Checkout, Payment, Refund, StripeAccount
from billing.models.payment import PaymentStatus
from billing.selectors import owners
from billing.selectors.owners import Owner
from billing.services import provisioning
from billing.services.apply.announce import write_and_tell
from billing.services.apply.mapper import Mapper
from billing.services.apply.plan import Children, Differences, Plan, Values
from billing.stripe.snapshots import PaymentSnapshot, RefundSnapshot
from common.ids import is_id
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
SUCCEEDED = "succeeded"


def status_of(snapshot: PaymentSnapshot) -> PaymentStatus:
    """Where the money is. A word of Stripe's that we do not know means that it is under way."""
    if snapshot.status == SUCCEEDED:
        if not snapshot.amount_refunded:
            return PaymentStatus.PAID
        in_full = snapshot.amount_refunded >= snapshot.amount_received
        return PaymentStatus.REFUNDED if in_full else PaymentStatus.PARTIALLY_REFUNDED
    if snapshot.status == "requires_payment_method" and snapshot.failure_code:
        return PaymentStatus.FAILED
    return _STATUSES.get(snapshot.status, PaymentStatus.PROCESSING)


def _owner(account: StripeAccount, snapshot: PaymentSnapshot) -> Owner | None:
    return owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)


def _plan(account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot) -> Plan[Payment]:
    row = (
        Payment.objects.for_project(owner.project_id)
        .filter(account=account, stripe_id=snapshot.stripe_id)
        .first()
    ) or Payment(project_id=owner.project_id, account=account)
    return Plan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "customer_id": owner.customer_id,
            "checkout_id": row.checkout_id or _checkout_id(account, owner, snapshot),
            "status": status_of(snapshot),
            "stripe_status": snapshot.status,
            "currency": snapshot.currency,
            "amount": snapshot.amount,
            "amount_received": snapshot.amount_received,
            "amount_refunded": snapshot.amount_refunded,
            "failure_code": snapshot.failure_code,
            "failure_message": snapshot.failure_message,
            "paid_at": snapshot.paid_at if snapshot.status == SUCCEEDED else None,
            "metadata": snapshot.metadata,
        },
        children=(_refunds(account, row, snapshot),),
    )


def _checkout_id(account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot) -> str | None:
    """The checkout that names this payment, or that its metadata names and that has no other."""
    named = Q(payment_stripe_id=snapshot.stripe_id)
    if is_id(snapshot.our_id, "chk"):
        named |= Q(pk=snapshot.our_id, payment_stripe_id="")
    return (
        Checkout.objects.for_project(owner.project_id)
        .filter(named, account=account, customer_id=owner.customer_id)
        .values_list("pk", flat=True)
        .first()
    )


def _refunds(account: StripeAccount, payment: Payment, snapshot: PaymentSnapshot) -> Children:
    """By Stripe id; a refund row of ours that still waits for its object is found by metadata."""
    ours = [] if payment._state.adding else list(payment.refunds.all())
    rows = {row.stripe_id: row for row in ours if row.stripe_id}
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
        "refunded_at": refund.refunded_at,
    }


def _gone(row: Payment, at: datetime) -> Values:
    """What was paid stays paid; an attempt that Stripe forgot will not come to anything."""
    if row.paid_at is not None:
        return {}
    return {"stripe_status": "canceled", "status": PaymentStatus.CANCELED}


def _carry_out(planned: Plan[Payment], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    planned.row.customer = customer
    write_and_tell(
        planned, customer=customer, render=representation.payment, happened=_happened, at=at
    )
    if planned.row.checkout is not None:
        provisioning.follow_checkout(checkout=planned.row.checkout, customer=customer, at=at)


def _happened(planned: Plan[Payment], differences: Differences) -> Iterator[EventType]:
    if planned.is_new:
        yield EventType.PAYMENT_CREATED
    if "paid_at" in differences and differences["paid_at"][1] is not None:
        yield EventType.PAYMENT_PAID
    if "status" in differences and differences["status"][1] == PaymentStatus.FAILED:
        yield EventType.PAYMENT_FAILED
    before, after = differences.get("amount_refunded", (0, 0))
    if after > before:
        yield EventType.PAYMENT_REFUNDED


MAPPER: Mapper[PaymentSnapshot, Payment] = Mapper(
    model=Payment, owner=_owner, plan=_plan, gone=_gone, carry_out=_carry_out
)
