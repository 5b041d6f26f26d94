"""Payments of a checkout page: which row gets the PaymentIntent that the page creates, and the end
of a payment whose page ends without one.

The first payment of a subscription does not carry our id: only its invoice names the page. Until
we have that invoice, a payment of such a buyer has no owner; the invoice, once applied, requests a
sync of the payment.
"""

from datetime import datetime

from django.db.models import Q

from billing import representation
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
from billing.sync import sync_queue
from billing.sync.changes import write_and_record
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import page_rows
from billing.sync.selectors.owners import Owner
from common.ids import is_id
from common.models import ProjectQuerySet
from common.queue import enqueue
from events.catalog import EventType
from projects.models import Customer

NO_PAYMENT_REQUIRED = "no_payment_required"
FIRST_INVOICE = "subscription_create"
"""The billing reason of the invoice that a page creates."""
UNFINISHED = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
PAGES = frozenset({PaymentType.SUBSCRIPTION, PaymentType.ITEM, PaymentType.CART})
"""Types of payments that begin with a page."""
EVENTS = {
    PaymentStatus.PAID: EventType.PAYMENT_PAID,
    PaymentStatus.EXPIRED: EventType.PAYMENT_EXPIRED,
    PaymentStatus.CANCELED: EventType.PAYMENT_CANCELED,
}


def checkout_id(
    *, account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot, invoice_stripe_id: str
) -> str | None:
    """Id of the checkout of this payment: the one that names the payment or its invoice, or the one
    in the payment's metadata if that has no other payment."""
    named = Q(payment_stripe_id=snapshot.stripe_id)
    if invoice_stripe_id:
        named |= Q(invoice_stripe_id=invoice_stripe_id)
    if is_id(snapshot.our_id, "chk"):
        named |= Q(pk=snapshot.our_id, payment_stripe_id="")
    if (page := page_rows.purchases()) is not None:
        return next(
            (
                row.pk
                for row in page.checkouts
                if (row.project_id, row.customer_id) == (owner.project_id, owner.customer_id)
                and _is_named(row, snapshot, invoice_stripe_id)
            ),
            None,
        )
    return (
        Checkout.objects.for_project(owner.project_id)
        .filter(named, account=account, customer_id=owner.customer_id)
        .values_list("pk", flat=True)
        .first()
    )


def _is_named(row: Checkout, snapshot: PaymentSnapshot, invoice_stripe_id: str) -> bool:
    """The condition of :func:`checkout_id`, evaluated on a loaded row."""
    if row.payment_stripe_id == snapshot.stripe_id:
        return True
    if invoice_stripe_id and row.invoice_stripe_id == invoice_stripe_id:
        return True
    return row.pk == snapshot.our_id and not row.payment_stripe_id


def find_pending(owner: Owner, checkout: str | None) -> Payment | None:
    """The payment that this checkout was opened for, if it has no PaymentIntent yet."""
    if checkout is None:
        return None
    return _pending(owner).filter(checkout_id=checkout).order_by("id").first()


def may_belong_to_page(owner: Owner, snapshot: PaymentSnapshot) -> bool:
    """Whether the payment may belong to a page of this owner whose invoice is not mirrored yet."""
    if snapshot.our_id is not None:
        return False
    waiting = _pending(owner).filter(type__in=[PaymentType.SUBSCRIPTION, PaymentType.CART])
    reasons = set(_invoices(owner, snapshot.stripe_id).values_list("billing_reason", flat=True))
    if reasons and FIRST_INVOICE not in reasons:
        return False
    if reasons:
        waiting = waiting.filter(checkout__invoice_stripe_id="")
    return waiting.exists()


def invoice_stripe_id_of(owner: Owner, stripe_id: str) -> str:
    """Stripe's id of the invoice that this PaymentIntent pays; empty if none is mirrored."""
    if (page := page_rows.purchases()) is not None:
        rows = page.invoices.get(stripe_id, [])
        own = (
            row
            for row in rows
            if (row.project_id, row.customer_id) == (owner.project_id, owner.customer_id)
        )
        return next((str(row.stripe_id) for row in own), "")
    invoice_stripe_id = _invoices(owner, stripe_id).values_list("stripe_id", flat=True).first()
    return invoice_stripe_id or ""


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
        amount = sum(line.price.amount_of(line.quantity) for line in checkout.lines.all())
    values = {"checkout_id": checkout.pk, "expires_at": expires_at, "amount": amount}
    write_and_record(
        RowPlan(row=payment, values=values),
        customer=customer,
        render=representation.payment,
        happened=lambda planned, differences: [EventType.PAYMENT_CREATED],
        at=at,
    )


def follow_checkout(*, checkout: Checkout, customer: Customer, at: datetime) -> None:
    """End the pending payment of a page that has ended, or request a sync that finds its
    PaymentIntent. The caller holds the customer's lock.
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
            happened=lambda planned, differences: [EVENTS[planned.values["status"]]],
            at=at,
        )
    _request_sync_of_undecided(checkout)


def _values_of_ended_page(row: Payment, checkout: Checkout, at: datetime) -> Values:
    """New values of the payment of a page that ended without a PaymentIntent; else empty."""
    if checkout.status == CheckoutStatus.EXPIRED:
        return ended_values(row, at)
    if checkout.payment_status == NO_PAYMENT_REQUIRED or checkout.amount_total == 0:
        return {"status": PaymentStatus.PAID, "amount": 0, "paid_at": checkout.completed_at or at}
    return {}


def _request_sync_of_unpaid(checkout: Checkout) -> None:
    """Request a sync of the unpaid payments of a closed page: nobody can pay them any more."""
    if checkout.status != CheckoutStatus.EXPIRED:
        return
    unpaid = (
        Payment.objects.for_project(checkout.project_id)
        .filter(checkout=checkout, type__in=PAGES, status__in=UNPAID)
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
    """Whether the page of this payment closed before it was paid."""
    if row.type not in PAGES:
        return False
    closed = row.checkout is not None and row.checkout.status == CheckoutStatus.EXPIRED
    return snapshot.status == "canceled" or (closed and snapshot.status in UNFINISHED)


def ended_values(row: Payment, at: datetime | None) -> Values:
    """Status ``canceled`` if the tenant canceled the payment, else ``expired`` with its time."""
    if row.cancel_asked_at is not None:
        return {"status": PaymentStatus.CANCELED}
    return {"status": PaymentStatus.EXPIRED, "expired_at": row.expired_at or at}


def request_sync_of_payments(*, invoice: Invoice) -> None:
    """Request a sync of the payments of this invoice whose rows do not name it yet."""
    named = invoice.payments.exclude(payment_stripe_id="")
    payment_stripe_ids = set(named.values_list("payment_stripe_id", flat=True))
    linked = (
        Payment.objects.for_project(invoice.project_id)
        .filter(account_id=invoice.account_id, stripe_id__in=payment_stripe_ids)
        .filter(invoice_stripe_id=invoice.stripe_id)
        .values_list("stripe_id", flat=True)
    )
    for stripe_id in sorted(payment_stripe_ids - set(linked)):
        sync_queue.request_sync(
            account_id=invoice.account_id, kind=ObjectKind.PAYMENT_INTENT, stripe_id=stripe_id
        )
        enqueue("billing.sync")


def _pending(owner: Owner) -> ProjectQuerySet[Payment]:
    return Payment.objects.for_project(owner.project_id).filter(
        customer_id=owner.customer_id,
        checkout__isnull=False,
        stripe_id__isnull=True,
        status=PaymentStatus.PENDING,
    )


def _invoices(owner: Owner, payment_stripe_id: str) -> ProjectQuerySet[Invoice]:
    return Invoice.objects.for_project(owner.project_id).filter(
        customer_id=owner.customer_id, payments__payment_stripe_id=payment_stripe_id
    )
