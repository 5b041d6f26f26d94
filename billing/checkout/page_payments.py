"""Payments that began with a page: who gets the PaymentIntent that the page makes, and what
becomes of the payment when the page ends without one.

The first payment of a subscription carries no label of ours: only its invoice tells which page it
belongs to. Until Stripe has told that, a payment of such a buyer belongs to nobody yet; whatever
tells it has the payment read again.
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
from billing.models.sync_object import Kind
from billing.stripe.snapshots import PaymentSnapshot
from billing.sync import sync_queue
from billing.sync.changes import write_and_tell
from billing.sync.plan import Plan, Values
from billing.sync.selectors import page_rows
from billing.sync.selectors.owners import Owner
from common.ids import is_id
from common.models import ProjectQuerySet
from common.queue import enqueue
from events.catalog import EventType
from projects.models import Customer

FREE = "no_payment_required"
FIRST = "subscription_create"
"""The billing reason of the invoice that a page makes."""
UNFINISHED = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
PAGES = frozenset({PaymentType.SUBSCRIPTION, PaymentType.ITEM, PaymentType.CART})
"""Types of payments that begin with a page."""
TOLD = {
    PaymentStatus.PAID: EventType.PAYMENT_PAID,
    PaymentStatus.EXPIRED: EventType.PAYMENT_EXPIRED,
    PaymentStatus.CANCELED: EventType.PAYMENT_CANCELED,
}


def checkout_id(
    *, account: StripeAccount, owner: Owner, snapshot: PaymentSnapshot, invoice_stripe_id: str
) -> str | None:
    """The checkout that names this payment or its invoice, or that the payment's metadata names
    and that has no other."""
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
    """The condition of :func:`checkout_id` on a row that has been read."""
    if row.payment_stripe_id == snapshot.stripe_id:
        return True
    if invoice_stripe_id and row.invoice_stripe_id == invoice_stripe_id:
        return True
    return row.pk == snapshot.our_id and not row.payment_stripe_id


def waiting_for(owner: Owner, checkout: str | None) -> Payment | None:
    """The payment that this checkout was opened for, while it has no PaymentIntent."""
    if checkout is None:
        return None
    return _waiting(owner).filter(checkout_id=checkout).order_by("id").first()


def is_undecided(owner: Owner, snapshot: PaymentSnapshot) -> bool:
    """Whether this may still turn out to be the payment of a page of this buyer."""
    if snapshot.our_id is not None:
        return False
    waiting = _waiting(owner).filter(type__in=[PaymentType.SUBSCRIPTION, PaymentType.CART])
    reasons = set(_invoices(owner, snapshot.stripe_id).values_list("billing_reason", flat=True))
    if reasons and FIRST not in reasons:
        return False
    if reasons:
        waiting = waiting.filter(checkout__invoice_stripe_id="")
    return waiting.exists()


def invoice_of(owner: Owner, stripe_id: str) -> str:
    """Stripe's id of the invoice that this PaymentIntent pays; empty while we know of none."""
    if (page := page_rows.purchases()) is not None:
        rows = page.invoices.get(stripe_id, [])
        own = (
            row
            for row in rows
            if (row.project_id, row.customer_id) == (owner.project_id, owner.customer_id)
        )
        return next((str(row.stripe_id) for row in own), "")
    found = _invoices(owner, stripe_id).values_list("stripe_id", flat=True).first()
    return found or ""


def opened(*, payment: Payment, checkout: Checkout, customer: Customer, at: datetime) -> None:
    """The payment has its page: tell of it. The caller holds the customer's lock.

    It comes to what Stripe's page asks for now: a cart can have changed since the payment was
    begun, use is billed after its period, and discounts are taken off.
    """
    payment.customer = customer
    expires_at = min(filter(None, [payment.expires_at, checkout.expires_at]), default=None)
    amount = checkout.amount_total
    if amount is None:
        amount = sum(line.price.amount_of(line.quantity) for line in checkout.lines.all())
    values = {"checkout_id": checkout.pk, "expires_at": expires_at, "amount": amount}
    write_and_tell(
        Plan(row=payment, values=values),
        customer=customer,
        render=representation.payment,
        happened=lambda planned, differences: [EventType.PAYMENT_CREATED],
        at=at,
    )


def follow_checkout(*, checkout: Checkout, customer: Customer, at: datetime) -> None:
    """Let the payment that waits for this page end with it, or find its PaymentIntent.

    The caller holds the customer's lock.
    """
    if checkout.status not in (CheckoutStatus.COMPLETE, CheckoutStatus.EXPIRED):
        return
    row = waiting_for(Owner(checkout.project_id, customer.pk), checkout.pk)
    if row is None:
        _reread_unpaid(checkout)
        return
    row.customer, row.checkout = customer, checkout
    ending = _ending(row, checkout, at)
    if ending:
        write_and_tell(
            Plan(row=row, values=ending),
            customer=customer,
            render=representation.payment,
            happened=lambda planned, differences: [TOLD[planned.values["status"]]],
            at=at,
        )
    _reread_undecided(checkout)


def _ending(row: Payment, checkout: Checkout, at: datetime) -> Values:
    """What a page that ended without a PaymentIntent makes of its payment; empty for any other."""
    if checkout.status == CheckoutStatus.EXPIRED:
        return ended(row, at)
    if checkout.payment_status == FREE or checkout.amount_total == 0:
        return {"status": PaymentStatus.PAID, "amount": 0, "paid_at": checkout.completed_at or at}
    return {}


def _reread_unpaid(checkout: Checkout) -> None:
    """What was tried in vain on a page that has closed can come to nothing any more."""
    if checkout.status != CheckoutStatus.EXPIRED:
        return
    tried = (
        Payment.objects.for_project(checkout.project_id)
        .filter(checkout=checkout, type__in=PAGES, status__in=UNPAID)
        .exclude(stripe_id=None)
    )
    for stripe_id in tried.values_list("stripe_id", flat=True):
        sync_queue.mark(
            account_id=checkout.account_id, kind=Kind.PAYMENT_INTENT, stripe_id=str(stripe_id)
        )
        enqueue("billing.sync")


def _reread_undecided(checkout: Checkout) -> None:
    """Have payments that belonged to nobody, or are just being found to, read again."""
    buyers = (
        StripeCustomer.objects.for_project(checkout.project_id)
        .filter(account_id=checkout.account_id, customer_id=checkout.customer_id)
        .values_list("stripe_id", flat=True)
    )
    unowned = Q(foreign_at__isnull=False, foreign_customer__in=list(filter(None, buyers)))
    sync_queue.mark_all(
        SyncObject.objects.filter(
            unowned | Q(leased_until__isnull=False),
            account_id=checkout.account_id,
            kind=Kind.PAYMENT_INTENT,
        )
    )


def has_ended(row: Payment, snapshot: PaymentSnapshot) -> bool:
    """Whether the page that the payment began with has closed before anybody paid."""
    if row.type not in PAGES:
        return False
    closed = row.checkout is not None and row.checkout.status == CheckoutStatus.EXPIRED
    return snapshot.status == "canceled" or (closed and snapshot.status in UNFINISHED)


def ended(row: Payment, at: datetime | None) -> Values:
    """``canceled`` if the tenant called it off, else ``expired``."""
    if row.cancel_asked_at is not None:
        return {"status": PaymentStatus.CANCELED}
    return {"status": PaymentStatus.EXPIRED, "expired_at": row.expired_at or at}


def reread_payers(*, invoice: Invoice) -> None:
    """Have the payments of this invoice that do not know of it read again."""
    payers = invoice.payments.exclude(payment_stripe_id="").values_list(
        "payment_stripe_id", flat=True
    )
    named = set(payers)
    settled = (
        Payment.objects.for_project(invoice.project_id)
        .filter(account_id=invoice.account_id, stripe_id__in=named)
        .filter(invoice_stripe_id=invoice.stripe_id)
        .values_list("stripe_id", flat=True)
    )
    for stripe_id in sorted(named - set(settled)):
        sync_queue.mark(
            account_id=invoice.account_id, kind=Kind.PAYMENT_INTENT, stripe_id=stripe_id
        )
        enqueue("billing.sync")


def _waiting(owner: Owner) -> ProjectQuerySet[Payment]:
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
