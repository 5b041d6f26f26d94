"""What may be done because of what was bought: mirrors in, facts out, in the same transaction.

A subscription speaks while it is trialing, active or within the grace period of a failed payment;
a purchase speaks once it is paid for. How much they give follows the money behind them: what each
product's policies leave when it goes back, or while a bank decides (``docs/refunds.md``). A
quantity does not multiply a limit. The caller holds the customer's lock.
"""

from datetime import datetime

from billing.access import credits, purchase_facts, renewals
from billing.models import (
    Checkout,
    CheckoutLine,
    Invoice,
    Payment,
    Subscription,
)
from entitlements.facts import service as facts
from entitlements.models.fact import SourceType
from projects.models import Customer


def follow_subscription(*, subscription: Subscription, customer: Customer, at: datetime) -> bool:
    """Make the customer's facts from this subscription what its items say; whether that changed.

    The credits of its periods follow too, and a renewal that is paid is told.
    """
    credits.follow_subscription(subscription=subscription, customer=customer, at=at)
    renewals.tell_if_paid(subscription=subscription, customer=customer, at=at)
    return facts.replace(
        customer=customer,
        source_type=SourceType.SUBSCRIPTION,
        source_id=subscription.pk,
        drafts=purchase_facts.of_subscription(subscription),
        at=at,
    )


def follow_checkout(*, checkout: Checkout, customer: Customer, at: datetime) -> bool:
    """Make the customer's facts from this purchase what was bought once; whether that changed.

    Each line remembers when it was given and, while it is, taken back. Its credits follow too.
    """
    given = purchase_facts.of_lines(checkout)
    credits.follow_checkout(checkout=checkout, given=given, customer=customer, at=at)
    note(given, at=at)
    return facts.replace(
        customer=customer,
        source_type=SourceType.CHECKOUT,
        source_id=checkout.pk,
        drafts=purchase_facts.of_checkout(checkout, given),
        at=at,
    )


def follow_invoice(*, invoice: Invoice, customer: Customer, at: datetime) -> None:
    """Let follow what the invoice is for: its subscription, and what a page sold beside it."""
    for checkout in checkouts_of(invoice):
        follow_checkout(checkout=checkout, customer=customer, at=at)
    for subscription in subscriptions_of(invoice):
        follow_subscription(subscription=subscription, customer=customer, at=at)


def follow_payment(*, payment: Payment, customer: Customer, at: datetime) -> None:
    """Let follow what the payment is for: the page that it was made on, and its invoices."""
    if payment.checkout is not None:
        follow_checkout(checkout=payment.checkout, customer=customer, at=at)
    for invoice in invoices_of(payment):
        follow_invoice(invoice=invoice, customer=customer, at=at)


def invoices_of(payment: Payment) -> list[Invoice]:
    rows = Invoice.objects.for_project(payment.project_id).filter(payments__payment=payment)
    return list(rows.distinct())


def checkouts_of(invoice: Invoice) -> list[Checkout]:
    """The page that made it, if one did."""
    rows = Checkout.objects.for_project(invoice.project_id)
    return list(rows.filter(**_whose(invoice), invoice_stripe_id=invoice.stripe_id))


def subscriptions_of(invoice: Invoice) -> list[Subscription]:
    if not invoice.subscription_stripe_id:
        return []
    rows = Subscription.objects.for_project(invoice.project_id)
    return list(rows.filter(**_whose(invoice), stripe_id=invoice.subscription_stripe_id))


def note(given: purchase_facts.Given, *, at: datetime) -> None:
    """Write down when each of these lines was given, or taken back."""
    for line, left in given:
        _note(line, is_given=left is not None, at=at)


def _note(line: CheckoutLine, *, is_given: bool, at: datetime) -> None:
    """Write down when the line was given, or taken back."""
    if is_given and (line.fulfilled_at is None or line.revoked_at is not None):
        line.fulfilled_at, line.revoked_at = line.fulfilled_at or at, None
    elif not is_given and line.fulfilled_at is not None and line.revoked_at is None:
        line.revoked_at = at
    else:
        return
    line.save(update_fields=["fulfilled_at", "revoked_at"])


def _whose(invoice: Invoice) -> dict[str, str]:
    return {"account_id": invoice.account_id, "customer_id": invoice.customer_id}
