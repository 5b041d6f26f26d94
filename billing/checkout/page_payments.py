"""Link the PaymentIntent that a page creates to its payment row, and end payments of closed pages.

The first PaymentIntent of a subscription does not carry our id; only its invoice names the page.
Until that invoice is stored, the PaymentIntent has no owner. Storing the invoice requests a sync of
the payment.
"""

from datetime import datetime
from functools import partial

from django.db.models import Q

from billing import representation
from billing.access.selectors import purchased_rows
from billing.checkout.selectors import page_links
from billing.checkout.selectors.page_links import IS_PENDING
from billing.models import (
    Checkout,
    Invoice,
    Payment,
    StripeAccount,
    StripeCustomer,
    SyncObject,
)
from billing.models.checkout import CheckoutStatus
from billing.models.payment import UNPAID, PaymentStatus, PaymentType
from billing.models.sync_object import ObjectKind
from billing.stripe.snapshots import PaymentSnapshot
from billing.sync import follow_ups, sync_queue
from billing.sync.changes import write_and_record
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import page_rows
from billing.sync.selectors.owners import Owner
from common.ids import is_id
from common.prepared_queries import Parameter, PreparedQuery, PreparedValues
from common.queue import enqueue
from events.catalog import EventType
from projects.models import Customer

NO_PAYMENT_REQUIRED = "no_payment_required"
FIRST_INVOICE = "subscription_create"
"""Stripe's billing reason of the invoice that a page creates."""
UNPAID_INTENT_STATUSES = frozenset(
    {"requires_payment_method", "requires_confirmation", "requires_action"}
)
PAGE_PAYMENT_TYPES = frozenset({PaymentType.SUBSCRIPTION, PaymentType.ITEM, PaymentType.CART})
"""Types of payments that are paid on a hosted page."""
EVENT_OF_STATUS = {
    PaymentStatus.PAID: EventType.PAYMENT_PAID,
    PaymentStatus.EXPIRED: EventType.PAYMENT_EXPIRED,
    PaymentStatus.CANCELED: EventType.PAYMENT_CANCELED,
}

_PENDING = PreparedQuery(
    lambda: (
        Payment.objects.for_project(Parameter("project_id"))
        .filter(
            IS_PENDING, customer_id=Parameter("customer_id"), checkout_id=Parameter("checkout_id")
        )
        .order_by("id")[:1]
    )
)
_INVOICES = PreparedValues(
    lambda: (
        Invoice.objects.for_project(Parameter("project_id"))
        .filter(
            customer_id=Parameter("customer_id"),
            payments__payment_stripe_id=Parameter("payment_stripe_id"),
        )
        .order_by("id")
        .values_list("billing_reason", "stripe_id")
    )
)
"""The invoices that a PaymentIntent pays."""


def find_checkout_id(
    *, account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot, invoice_stripe_id: str
) -> str | None:
    """Return the id of the payment's checkout, None if there is none.

    It is the checkout that names the payment or its invoice, or the one that the payment's metadata
    names if that checkout has no other payment.
    """
    if (page := page_rows.purchases()) is not None:
        return next(
            (
                row.pk
                for row in page.checkouts
                if (row.project_id, row.customer_id) == (owner.project_id, owner.customer_id)
                and _matches_payment(row, snapshot, invoice_stripe_id)
            ),
            None,
        )
    return page_links.find_checkout_id(
        owner=owner,
        account=account,
        payment_stripe_id=snapshot.stripe_id,
        invoice_stripe_id=invoice_stripe_id,
        our_id=snapshot.our_id or "" if is_id(snapshot.our_id, "chk") else "",
    )


def _matches_payment(row: Checkout, snapshot: PaymentSnapshot, invoice_stripe_id: str) -> bool:
    """Evaluate the condition of :func:`find_checkout_id` on a loaded row."""
    if row.payment_stripe_id == snapshot.stripe_id:
        return True
    if invoice_stripe_id and row.invoice_stripe_id == invoice_stripe_id:
        return True
    return row.pk == snapshot.our_id and not row.payment_stripe_id


def find_pending(owner: Owner, checkout: str | None) -> Payment | None:
    """Return the payment that this checkout was opened for, None once it has a PaymentIntent."""
    if checkout is None:
        return None
    return _PENDING.first(
        project_id=owner.project_id, customer_id=owner.customer_id, checkout_id=checkout
    )


def may_belong_to_page(owner: Owner, snapshot: PaymentSnapshot) -> bool:
    """Return whether the payment may belong to a page whose invoice is not stored yet."""
    if snapshot.our_id is not None:
        return False
    waiting = page_links.find_invoices_of_waiting_pages(owner)
    if not waiting:
        return False
    invoices = _INVOICES.rows(
        project_id=owner.project_id,
        customer_id=owner.customer_id,
        payment_stripe_id=snapshot.stripe_id,
    )
    reasons = {reason for reason, _ in invoices}
    if reasons and FIRST_INVOICE not in reasons:
        return False
    return not reasons or "" in waiting


def find_invoice_stripe_id(owner: Owner, stripe_id: str) -> str:
    """Return Stripe's id of the invoice that this PaymentIntent pays, empty if none is stored."""
    if (page := page_rows.purchases()) is not None:
        rows = page.invoices.get(stripe_id, [])
        own = (
            row
            for row in rows
            if (row.project_id, row.customer_id) == (owner.project_id, owner.customer_id)
        )
        return next((str(row.stripe_id) for row in own), "")
    invoices = _INVOICES.rows(
        project_id=owner.project_id, customer_id=owner.customer_id, payment_stripe_id=stripe_id
    )
    return next((stripe_id or "" for _, stripe_id in invoices), "")


def record_page(*, payment: Payment, checkout: Checkout, customer: Customer, at: datetime) -> None:
    """Link a payment to its opened page and record ``payment.created``.

    The amount becomes the page's total: the cart may have changed since the payment was created,
    metered use is billed after its period, and discounts are subtracted. The caller holds the
    customer's lock.
    """
    payment.customer = customer
    expires_at = min(filter(None, [payment.expires_at, checkout.expires_at]), default=None)
    amount = checkout.amount_total
    if amount is None:
        lines = purchased_rows.find_lines([checkout.pk])
        amount = sum(line.price.amount_of(line.quantity) for line in lines)
    values = {"checkout_id": checkout.pk, "expires_at": expires_at, "amount": amount}
    write_and_record(
        RowPlan(row=payment, values=values),
        customer=customer,
        render=representation.payment,
        event_types=lambda plan, differences: [EventType.PAYMENT_CREATED],
        at=at,
    )


def follow_checkout(*, checkout: Checkout, customer: Customer, at: datetime) -> None:
    """End the pending payment of a page that has ended, or request the sync of its PaymentIntent.

    The caller holds the customer's lock.
    """
    if checkout.status not in (CheckoutStatus.COMPLETE, CheckoutStatus.EXPIRED):
        return
    row = find_pending(Owner(checkout.project_id, customer.pk), checkout.pk)
    if row is None:
        _request_sync_of_unpaid(checkout)
        return
    row.customer, row.checkout = customer, checkout
    values = _values_of_ended_page(row, checkout, at)
    if values:
        write_and_record(
            RowPlan(row=row, values=values),
            customer=customer,
            render=representation.payment,
            event_types=lambda plan, differences: [EVENT_OF_STATUS[plan.values["status"]]],
            at=at,
        )
    _request_sync_of_undecided(checkout)


def _values_of_ended_page(row: Payment, checkout: Checkout, at: datetime) -> Values:
    """Return the new values of a payment whose page ended without a PaymentIntent, else nothing."""
    if checkout.status == CheckoutStatus.EXPIRED:
        return ended_values(row, at)
    if checkout.payment_status == NO_PAYMENT_REQUIRED or checkout.amount_total == 0:
        return {"status": PaymentStatus.PAID, "amount": 0, "paid_at": checkout.completed_at or at}
    return {}


def _request_sync_of_unpaid(checkout: Checkout) -> None:
    """Request a sync of the unpaid payments of a closed page, which can no longer be paid."""
    if checkout.status != CheckoutStatus.EXPIRED:
        return
    unpaid = (
        Payment.objects.for_project(checkout.project_id)
        .filter(checkout=checkout, type__in=PAGE_PAYMENT_TYPES, status__in=UNPAID)
        .exclude(stripe_id=None)
    )
    for stripe_id in unpaid.values_list("stripe_id", flat=True):
        sync_queue.request_sync(
            account_id=checkout.account_id, kind=ObjectKind.PAYMENT_INTENT, stripe_id=str(stripe_id)
        )
        enqueue("billing.sync")


def _request_sync_of_undecided(checkout: Checkout) -> None:
    """Request a sync of the buyer's payments without an owner, and of those being read now."""
    buyers = (
        StripeCustomer.objects.for_project(checkout.project_id)
        .filter(account_id=checkout.account_id, customer_id=checkout.customer_id)
        .values_list("stripe_id", flat=True)
    )
    unowned = Q(foreign_at__isnull=False, foreign_customer__in=list(filter(None, buyers)))
    sync_queue.request_syncs(
        SyncObject.objects.filter(
            unowned | Q(leased_until__isnull=False),
            account_id=checkout.account_id,
            kind=ObjectKind.PAYMENT_INTENT,
        )
    )


def has_ended(row: Payment, snapshot: PaymentSnapshot) -> bool:
    """Return whether the page of this payment closed before it was paid."""
    if row.type not in PAGE_PAYMENT_TYPES:
        return False
    is_closed = row.checkout is not None and row.checkout.status == CheckoutStatus.EXPIRED
    return snapshot.status == "canceled" or (
        is_closed and snapshot.status in UNPAID_INTENT_STATUSES
    )


def ended_values(row: Payment, at: datetime | None) -> Values:
    """Return status ``canceled`` if the tenant canceled the payment, else ``expired``."""
    if row.cancel_asked_at is not None:
        return {"status": PaymentStatus.CANCELED}
    return {"status": PaymentStatus.EXPIRED, "expired_at": row.expired_at or at}


def request_sync_of_payments(*, invoice: Invoice) -> None:
    """Request a sync of the payments of this invoice whose rows do not name it yet, or its page,
    when everything that is stored together with it is stored."""
    follow_ups.run_once(("invoice_payments", invoice.pk), partial(_request_unlinked, invoice))


def _request_unlinked(invoice: Invoice) -> None:
    for stripe_id in page_links.find_unlinked_payments(invoice):
        sync_queue.request_sync(
            account_id=invoice.account_id, kind=ObjectKind.PAYMENT_INTENT, stripe_id=stripe_id
        )
        enqueue("billing.sync")
