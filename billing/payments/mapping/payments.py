"""Payments with their refunds and disputes: one read brings them all, so they always agree."""

from dataclasses import replace
from datetime import datetime

from billing import representation
from billing.access import service as access
from billing.checkout import carts, page_payments
from billing.models import Invoice, InvoicePayment, Payment, StripeAccount
from billing.models.dispute import is_withheld
from billing.models.invoice import PAID
from billing.models.payment import PaymentStatus, PaymentType
from billing.models.sync_object import ObjectKind
from billing.payments.mapping import payment_events, payment_parts
from billing.stripe import payments as stripe_payments
from billing.stripe.snapshots import PaymentSnapshot
from billing.sync import kinds
from billing.sync.changes import write_and_record
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from common import crypto
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
AWAITED = frozenset({"processing", "requires_capture"})
"""Stripe's statuses of money that is on its way."""
DELAYED = frozenset(
    {
        "acss_debit",
        "au_becs_debit",
        "bacs_debit",
        "boleto",
        "customer_balance",
        "konbini",
        "multibanco",
        "nz_bank_account",
        "oxxo",
        "sepa_debit",
        "us_bank_account",
    }
)
"""Methods that pay days after the charge was made: docs.stripe.com/payments/payment-methods,
'delayed notification'."""
AUTHENTICATION = "authentication_required"
"""The bank wants the buyer present: nothing failed for good."""
ABANDONED = "abandoned"
"""The reason that we give Stripe when a payment's time is over, and never else."""


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
    if page_payments.find_pending(owner, checkout) is not None:
        return owner
    return None if page_payments.may_belong_to_page(owner, snapshot) else owner


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
    invoice = page_payments.invoice_stripe_id_of(owner, snapshot.stripe_id)
    return invoice, page_payments.checkout_id(
        account=account, owner=owner, snapshot=snapshot, invoice_stripe_id=invoice
    )


def _plan(account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot) -> RowPlan[Payment]:
    row = _row(account, snapshot)
    invoice, checkout = _bought_with(account, owner, snapshot)
    if row is None:
        row = page_payments.find_pending(owner, checkout) or Payment(
            project_id=owner.project_id, account=account
        )
    return RowPlan(
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
            "refunded_lines": payment_parts.refunded_lines(payment=row, snapshot=snapshot),
            "amount_disputed": _disputed(snapshot),
            "payment_method_type": snapshot.payment_method_type or row.payment_method_type,
            "failure_code": snapshot.failure_code,
            "failure_message": snapshot.failure_message,
            "paid_at": _paid_at(row, snapshot),
            "metadata": snapshot.metadata,
            **_standing(row, snapshot),
            **_secret(row, snapshot),
        },
        children=(
            payment_parts.refunds(account=account, payment=row, snapshot=snapshot),
            payment_parts.disputes(account=account, payment=row, snapshot=snapshot),
        ),
    )


def _paid_at(row: Payment, snapshot: PaymentSnapshot) -> datetime | None:
    """When the money was there: said once, and kept.

    Stripe dates a charge by its beginning. For most methods that is the moment; a bank debit pays
    days later, and then the invoice that it settles knows when. Without an invoice it is when we
    first hear of it (:func:`_dated`), or, of one that we never knew as awaited, its beginning.
    """
    if snapshot.status != SUCCEEDED or snapshot.paid_at is None:
        return None
    if row.paid_at is not None:
        return row.paid_at
    if not _was_awaited(row) and snapshot.payment_method_type not in DELAYED:
        return snapshot.paid_at
    settled = (
        Invoice.objects.for_project(row.project_id)
        .filter(account_id=row.account_id, status=PAID, paid_at__gte=snapshot.paid_at)
        .filter(payments__payment_stripe_id=snapshot.stripe_id)
        .order_by("paid_at")
    )
    found = settled.values_list("paid_at", flat=True).first()
    return found or (None if _was_awaited(row) else snapshot.paid_at)


def _was_awaited(row: Payment) -> bool:
    """Whether the money was on its way when we last heard of it."""
    return row.stripe_status in AWAITED and row.paid_at is None


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
        return page_payments.ended_values(row, snapshot.canceled_at or closed)
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


def _gone(row: Payment, at: datetime) -> Values:
    """What was paid stays paid; an attempt that Stripe forgot will not come to anything."""
    if row.paid_at is not None or row.expired_at is not None:
        return {}
    return {"stripe_status": "canceled", "status": PaymentStatus.CANCELED}


def _carry_out(planned: RowPlan[Payment], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    planned.row.customer = customer
    planned = _dated(planned, at)
    write_and_record(
        planned,
        customer=customer,
        render=representation.payment,
        happened=payment_events.happened,
        at=at,
    )
    _settle_invoices(planned.row)
    access.follow_payment(payment=planned.row, customer=customer, at=at)
    if planned.row.checkout is not None:
        carts.follow_checkout(checkout=planned.row.checkout, at=at)


def _dated(planned: RowPlan[Payment], at: datetime) -> RowPlan[Payment]:
    """With the moment at which we hear of money that was awaited, where nothing says more."""
    is_here = planned.values.get("stripe_status") == SUCCEEDED
    if not is_here or planned.values["paid_at"] is not None or not _was_awaited(planned.row):
        return planned
    return replace(planned, values={**planned.values, "paid_at": at})


def _settle_invoices(row: Payment) -> None:
    """Invoices that knew of the payment before we did."""
    InvoicePayment.objects.for_project(row.project_id).filter(
        invoice__account_id=row.account_id,
        invoice__customer_id=row.customer_id,
        payment_stripe_id=row.stripe_id,
        payment__isnull=True,
    ).update(payment=row)


MAPPER: Mapper[PaymentSnapshot, Payment] = Mapper(
    model=Payment, owner=_owner, plan=_plan, gone=_gone, carry_out=_carry_out
)

MIRRORED = Mirrored(
    ObjectKind.PAYMENT_INTENT,
    stripe_payments.retrieve,
    stripe_payments.iterate,
    MAPPER,
    kinds.never,
)
