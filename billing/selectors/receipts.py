"""What became of the money for a purchase or a subscription, from our mirror of payments.

``also`` is money, by payment, that is to be seen as refunded too: for a look at what a refund
would change.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from django.db.models import Max

from billing.models import Checkout, Invoice, InvoiceLine, Payment, Subscription
from billing.models.invoice import PAID, UNPAYABLE
from billing.models.payment import PaymentStatus
from billing.policies import Receipts
from common.models import ProjectQuerySet

FIRST = "subscription_create"
"""The billing reason of the invoice with which a subscription begins."""
CAME_TO_NOTHING = (PaymentStatus.FAILED, PaymentStatus.CANCELED)


def of_checkout(*, checkout: Checkout, also: Mapping[str, int] | None = None) -> Receipts:
    """Of the payment that the page made, or of those that settle the first invoice of what it
    sells by subscription. Two queries."""
    payments = Payment.objects.for_project(checkout.project_id).filter(
        account_id=checkout.account_id, customer_id=checkout.customer_id
    )
    if checkout.payment_stripe_id:
        return _sum(payments.filter(stripe_id=checkout.payment_stripe_id), also)
    if checkout.invoice_stripe_id:
        named = Invoice.objects.for_project(checkout.project_id).filter(
            account_id=checkout.account_id, stripe_id=checkout.invoice_stripe_id
        )
        return _sum(payments.filter(invoice_payments__invoice__in=named).distinct(), also)
    return Receipts()


def of_subscription(
    *, subscription: Subscription, since: datetime, also: Mapping[str, int] | None = None
) -> Receipts:
    """Of what paid the period that runs since then; before that is paid, of what was paid last.

    Four or five queries.
    """
    paid = _invoices(subscription).filter(status=PAID)
    running = list(paid.filter(lines__period_end__gt=since).values_list("pk", flat=True).distinct())
    if not running:
        latest = paid.order_by("-issued_at", "-id").values_list("pk", flat=True)
        running = list(latest[:1])
    payments = Payment.objects.for_project(subscription.project_id).filter(
        customer_id=subscription.customer_id, invoice_payments__invoice_id__in=running
    )
    lines = InvoiceLine.objects.for_project(subscription.project_id).filter(invoice__in=running)
    until = lines.aggregate(until=Max("period_end"))["until"]
    return replace(_sum(payments.distinct(), also), until=until)


def never_came(*, subscription: Subscription) -> bool:
    """Whether the first payment came to nothing after Stripe had begun the subscription, which
    a bank debit can days later, and nothing was paid since. Stripe calls it active all the same."""
    invoices = _invoices(subscription)
    first = invoices.filter(billing_reason=FIRST).order_by("id")
    void = first.filter(status__in=UNPAYABLE)
    failed = first.exclude(status=PAID).filter(payments__payment__status__in=CAME_TO_NOTHING)
    return (void.exists() or failed.exists()) and not invoices.filter(status=PAID).exists()


def _invoices(subscription: Subscription) -> ProjectQuerySet[Invoice]:
    return Invoice.objects.for_project(subscription.project_id).filter(
        account_id=subscription.account_id,
        customer_id=subscription.customer_id,
        subscription_stripe_id=subscription.stripe_id,
    )


def _sum(payments: ProjectQuerySet[Payment], also: Mapping[str, int] | None) -> Receipts:
    """Several payments of one thing count together."""
    rows = list(payments.prefetch_related("disputes"))
    disputes = [each for row in rows for each in row.disputes.all()]
    return Receipts(
        received=sum(row.amount_received for row in rows),
        refunded=sum(row.amount_refunded + (also or {}).get(row.pk, 0) for row in rows),
        lost=sum(each.amount for each in disputes if each.is_lost),
        contested_since=min((each.since for each in disputes if each.is_open), default=None),
    )
