"""Store a PaymentIntent as a payment, with its refunds and disputes from the same read."""

from dataclasses import replace
from datetime import datetime

from billing import representation
from billing.access import service as access
from billing.checkout import page_payments, page_results
from billing.invoices import linked_payments
from billing.models import Invoice, Payment, StripeAccount
from billing.models.dispute import is_withheld
from billing.models.invoice import PAID
from billing.models.payment import PaymentStatus, PaymentType
from billing.models.sync_object import ObjectKind
from billing.payments.mapping import invoice_links, payment_events, payment_parts
from billing.payments.mapping.invoice_links import InvoiceLinks
from billing.stripe import payments as stripe_payments
from billing.stripe.snapshots import PaymentSnapshot
from billing.sync import kinds
from billing.sync.changes import write_and_record
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from common import crypto, prepared_relations
from events.catalog import EventType
from projects.customers import selectors as customers
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
IN_TRANSIT_STATUSES = frozenset({"processing", "requires_capture"})
"""Stripe's statuses of a payment whose money has not arrived yet."""
DELAYED_METHODS = frozenset(
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
"""Payment methods whose money arrives days after the charge was created:
docs.stripe.com/payments/payment-methods, 'delayed notification'."""
AUTHENTICATION_REQUIRED = "authentication_required"
"""Stripe's decline code when the buyer must authenticate. The payment can still succeed."""
ABANDONED = "abandoned"
"""Stripe's cancellation reason. We send it only for payments that have expired."""


def status_of(snapshot: PaymentSnapshot) -> PaymentStatus:
    """Translate Stripe's status to ours. A status that we do not know becomes PROCESSING."""
    if snapshot.status == SUCCEEDED:
        if any(is_withheld(dispute.status, dispute.case_type) for dispute in snapshot.disputes):
            return PaymentStatus.DISPUTED
        if not snapshot.amount_refunded:
            return PaymentStatus.PAID
        is_full = snapshot.amount_refunded >= snapshot.amount_received
        return PaymentStatus.REFUNDED if is_full else PaymentStatus.PARTIALLY_REFUNDED
    if snapshot.status == "requires_payment_method" and snapshot.failure_code:
        needs_buyer = snapshot.failure_code == AUTHENTICATION_REQUIRED
        return PaymentStatus.REQUIRES_ACTION if needs_buyer else PaymentStatus.FAILED
    return _STATUSES.get(snapshot.status, PaymentStatus.PROCESSING)


def _find_owner(account: StripeAccount, snapshot: PaymentSnapshot) -> Owner | None:
    """Return the owner of our row, else of the Stripe customer.

    None while a page of this customer may have created the PaymentIntent and is not linked yet.
    """
    row = _find_row(account, snapshot)
    if row is not None:
        return Owner(row.project_id, row.customer_id)
    owner = owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)
    if owner is None:
        return None
    _, checkout = _invoice_and_checkout_ids(account, owner, snapshot)
    if page_payments.find_pending(owner, checkout) is not None:
        return owner
    return None if page_payments.may_belong_to_page(owner, snapshot) else owner


def _find_row(account: StripeAccount, snapshot: PaymentSnapshot) -> Payment | None:
    """Find our row, unless the PaymentIntent belongs to another Stripe customer than the row."""
    row = owners.claimed_row(
        Payment, account=account, stripe_id=snapshot.stripe_id, our_id=snapshot.our_id
    )
    if row is None or not snapshot.customer_stripe_id or row.stripe_id:
        return row
    owner = owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)
    return row if owner == Owner(row.project_id, row.customer_id) else None


def _invoice_and_checkout_ids(
    account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot
) -> tuple[str, str | None]:
    """Return Stripe's id of the invoice that it pays, and our id of the checkout it came from."""
    invoice_id = page_payments.find_invoice_stripe_id(owner, snapshot.stripe_id)
    return invoice_id, page_payments.find_checkout_id(
        account=account, owner=owner, snapshot=snapshot, invoice_stripe_id=invoice_id
    )


def _plan_row(account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot) -> RowPlan[Payment]:
    row = _find_row(account, snapshot)
    invoice, checkout = _invoice_and_checkout_ids(account, owner, snapshot)
    if row is None:
        row = page_payments.find_pending(owner, checkout) or Payment(
            project_id=owner.project_id, account=account
        )
    if not row._state.adding:
        prepared_relations.load([row], "refunds", "disputes")
    refunds = payment_parts.list_refunds(row)
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
            "refunded_lines": payment_parts.sum_refunded_lines(
                stored_rows=refunds, snapshot=snapshot
            ),
            "amount_disputed": _sum_withheld(snapshot),
            "payment_method_type": snapshot.payment_method_type or row.payment_method_type,
            "failure_code": snapshot.failure_code,
            "failure_message": snapshot.failure_message,
            "paid_at": _paid_at(row, snapshot),
            "metadata": snapshot.metadata,
            "workflow_id": row.workflow_id or snapshot.workflow_id,
            **_status_values(row, snapshot),
            **_client_secret_values(row, snapshot),
        },
        children=(
            payment_parts.plan_refunds(
                account=account, payment=row, stored_rows=refunds, snapshot=snapshot
            ),
            payment_parts.plan_disputes(account=account, payment=row, snapshot=snapshot),
        ),
        relations=("refunds", "disputes", "invoice_payments", "fraud_warnings"),
    )


def _paid_at(row: Payment, snapshot: PaymentSnapshot) -> datetime | None:
    """Return the time at which the money arrived. Once stored it never changes.

    Stripe dates a charge by its creation, which is right for most methods. The money of a delayed
    method arrives days later: then it is the time at which the invoice became paid. Without an
    invoice it is the time at which we read that the money arrived (:func:`_with_arrival_time`), or
    the charge's creation if we never saw the payment in transit.
    """
    if snapshot.status != SUCCEEDED or snapshot.paid_at is None:
        return None
    if row.paid_at is not None:
        return row.paid_at
    if not _was_in_transit(row) and snapshot.payment_method_type not in DELAYED_METHODS:
        return snapshot.paid_at
    paid_invoices = (
        Invoice.objects.for_project(row.project_id)
        .filter(account_id=row.account_id, status=PAID, paid_at__gte=snapshot.paid_at)
        .filter(payments__payment_stripe_id=snapshot.stripe_id)
        .order_by("paid_at")
    )
    invoice_paid_at = paid_invoices.values_list("paid_at", flat=True).first()
    return invoice_paid_at or (None if _was_in_transit(row) else snapshot.paid_at)


def _was_in_transit(row: Payment) -> bool:
    """Return whether the money had not arrived yet when the payment was last read."""
    return row.stripe_status in IN_TRANSIT_STATUSES and row.paid_at is None


def _sum_withheld(snapshot: PaymentSnapshot) -> int:
    """Sum the minor units that banks withhold for disputes or have kept after a lost one."""
    return sum(
        dispute.amount
        for dispute in snapshot.disputes
        if is_withheld(dispute.status, dispute.case_type)
    )


def _status_values(row: Payment, snapshot: PaymentSnapshot) -> Values:
    """Return the status columns.

    Stripe has no status for ``expired``: it means that the page closed unpaid, or that we canceled
    the PaymentIntent because its time was over.
    """
    if page_payments.has_ended(row, snapshot):
        closed_at = row.checkout.synced_at if row.checkout is not None else None
        return page_payments.ended_values(row, snapshot.canceled_at or closed_at)
    is_abandoned = snapshot.status == CANCELED and snapshot.cancellation_reason == ABANDONED
    if is_abandoned and row.expires_at is not None:
        return {"status": PaymentStatus.EXPIRED, "expired_at": snapshot.canceled_at}
    return {"status": status_of(snapshot)}


def _client_secret_values(row: Payment, snapshot: PaymentSnapshot) -> Values:
    """Return the encrypted client secret, unless it is stored already or nobody needs it."""
    if row.type != PaymentType.INTENT or row.client_secret or not snapshot.client_secret:
        return {}
    encrypted = crypto.encrypt(snapshot.client_secret, context=row.secret_context)
    return {"client_secret": encrypted}


def _values_when_gone(row: Payment, at: datetime) -> Values:
    """A payment that Stripe no longer has is canceled, unless it was paid or has expired."""
    if row.paid_at is not None or row.expired_at is not None:
        return {}
    return {"stripe_status": "canceled", "status": PaymentStatus.CANCELED}


def _write_plan(plan: RowPlan[Payment], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    plan.row.customer = customer
    plan = _with_arrival_time(plan, at)
    links = InvoiceLinks()
    differences = write_and_record(
        plan,
        customer=customer,
        render=representation.payment,
        event_types=payment_events.event_types,
        otherwise=EventType.PAYMENT_UPDATED,
        link=links.link,
        at=at,
    )
    if not differences and invoice_links.is_unlinked(plan.row):
        _link_unchanged(plan, links, customer, at)
    links.record_changes(customer=customer, at=at)
    access.follow_payment(payment=plan.row, customer=customer, at=at)
    if plan.row.checkout is not None:
        page_results.follow(checkout=plan.row.checkout, customer=customer, at=at)


def _link_unchanged(
    plan: RowPlan[Payment], links: InvoiceLinks, customer: Customer, at: datetime
) -> None:
    """Link the parts of invoices that name a payment without changes of its own."""
    plan.load()
    before = representation.payment(plan.row)
    links.link(plan.row, {})
    customers.raise_version(customer)
    linked_payments.record_changes([(plan.row, before)], customer=customer, at=at)


def _with_arrival_time(plan: RowPlan[Payment], at: datetime) -> RowPlan[Payment]:
    """Set ``paid_at`` to ``at`` if money in transit has arrived and no other time is known."""
    has_succeeded = plan.values.get("stripe_status") == SUCCEEDED
    is_dated = plan.values.get("paid_at") is not None
    if not has_succeeded or is_dated or not _was_in_transit(plan.row):
        return plan
    return replace(plan, values={**plan.values, "paid_at": at})


MAPPER: Mapper[PaymentSnapshot, Payment] = Mapper(
    model=Payment, owner=_find_owner, plan=_plan_row, gone=_values_when_gone, carry_out=_write_plan
)

MIRRORED = Mirrored(
    ObjectKind.PAYMENT_INTENT,
    stripe_payments.retrieve,
    stripe_payments.iterate,
    MAPPER,
    kinds.never,
)
