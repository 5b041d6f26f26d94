"""Receipts of purchases and subscriptions, from our mirror of payments.

A fixed number of queries for any number of rows. ``extra_refunds`` is money, by payment, that is
treated as refunded: for a preview of a refund. A refund that names lines of a checkout reduces only
the receipts of these lines and of their subscription.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Max, Q

from billing.access.policies import Receipts
from billing.access.selectors import line_receipts
from billing.access.selectors.line_receipts import ExtraRefunds, LinesByPage
from billing.models import (
    Checkout,
    CheckoutLine,
    Invoice,
    InvoicePayment,
    Payment,
    Subscription,
)
from billing.models.invoice import OPEN, PAID, UNPAYABLE, VOID
from billing.models.payment import PaymentStatus
from common.models import ProjectQuerySet

FIRST = "subscription_create"
"""The billing reason of the invoice with which a subscription begins."""
CYCLE = "subscription_cycle"
"""The billing reason of a renewal."""
FAILED = (PaymentStatus.FAILED, PaymentStatus.CANCELED)

PeriodEnds = dict[str, datetime | None]
"""Ids of invoices, each with the end of the last period that it bills."""

SUBSCRIPTION_KEY = ("account_id", "customer_id", "subscription_stripe_id")


def of_lines(
    *,
    project_id: str,
    checkouts: Collection[Checkout],
    lines: Mapping[str, Sequence[CheckoutLine]],
    extra_refunds: ExtraRefunds = None,
) -> dict[str, Receipts]:
    """Receipts by line id: of the checkout's own payment, or of those of its subscription's first
    invoice. Lines of a checkout without either are absent. ``lines`` are by checkout id and loaded
    with prices. Up to four queries."""
    by_page = _paid_on_pages(
        project_id, [checkout for checkout in checkouts if checkout.payment_stripe_id]
    )
    by_invoice = _paid_on_bills(
        project_id,
        [
            checkout
            for checkout in checkouts
            if checkout.invoice_stripe_id and not checkout.payment_stripe_id
        ],
    )
    pages = {checkout.pk: checkout for checkout in checkouts}
    receipts: dict[str, Receipts] = {}
    for key, payments in (by_page | by_invoice).items():
        receipts |= line_receipts.of_page(
            pages[key], lines=lines[key], payments=payments, extra_refunds=extra_refunds
        )
    return receipts


def of_subscriptions(
    *,
    project_id: str,
    subscriptions: Collection[Subscription],
    since: Mapping[str, datetime],
    extra_refunds: ExtraRefunds = None,
) -> dict[str, Receipts]:
    """Receipts by subscription id: of the invoices for the period that runs since ``since``, or of
    the last paid invoice if that period is not paid yet. Up to five queries."""
    period_ends = _find_paid_invoices(project_id, subscriptions, since)
    links = (
        InvoicePayment.objects.for_project(project_id)
        .filter(
            invoice_id__in=[key for invoices in period_ends.values() for key in invoices],
            payment__isnull=False,
        )
        .select_related("payment")
        .prefetch_related("payment__disputes")
    )
    by_invoice: dict[str, list[Payment]] = defaultdict(list)
    for row in links:
        assert row.payment is not None
        by_invoice[row.invoice_id].append(row.payment)
    pages = line_receipts.find_lines_of_named_pages(
        project_id=project_id, payments=_distinct(by_invoice), extra_refunds=extra_refunds
    )
    return {
        row.pk: replace(
            _sum(
                _payments_of_customer(row.customer_id, by_invoice, period_ends[row.pk]),
                pages,
                extra_refunds,
            ),
            until=max((end for end in period_ends[row.pk].values() if end), default=None),
        )
        for row in subscriptions
    }


def has_lost_first_payment(*, subscription: Subscription) -> bool:
    return bool(find_unpaid(project_id=subscription.project_id, subscriptions=[subscription]))


def find_unpaid(*, project_id: str, subscriptions: Collection[Subscription]) -> set[str]:
    """Ids of subscriptions that Stripe calls active although nothing was ever paid: their first
    payment failed after the start, as a bank debit can days later. A first invoice that was voided
    before any attempt was a gift and counts as paid.

    One query, or two.
    """
    invoices = _invoices(project_id, subscriptions)
    gift = Q(status=VOID, attempt_count=0)
    failed = ~Q(status=PAID) & Q(payments__payment__status__in=FAILED)
    first = invoices.filter((Q(status__in=UNPAYABLE) | failed) & ~gift, billing_reason=FIRST)
    unpaid_keys = set(first.values_list(*SUBSCRIPTION_KEY))
    if not unpaid_keys:
        return set()
    paid_keys = set(invoices.filter(status=PAID).values_list(*SUBSCRIPTION_KEY))
    return {row.pk for row in subscriptions if _key(row) in unpaid_keys - paid_keys}


def overdue_since(
    *, project_id: str, subscriptions: Collection[Subscription]
) -> dict[str, datetime]:
    """By subscription id, the time since when its oldest open invoice is overdue: since it was
    finalized, or since its due date; absent without an open invoice. One query."""
    if not subscriptions:
        return {}
    rows = _invoices(project_id, subscriptions).filter(status=OPEN)
    since_by_key: dict[tuple[str, ...], datetime] = {}
    for issued, due, *key in rows.values_list("issued_at", "due_at", *SUBSCRIPTION_KEY):
        since = max(issued, due or issued)
        since_by_key[tuple(key)] = min(since, since_by_key.get(tuple(key), since))
    return {row.pk: since_by_key[_key(row)] for row in subscriptions if _key(row) in since_by_key}


def find_skipped(
    *, project_id: str, subscriptions: Collection[Subscription], since: Mapping[str, datetime]
) -> set[str]:
    """Ids of subscriptions whose period since ``since`` was never charged: Stripe voids its invoice
    without an attempt while collection is paused. One query."""
    if not subscriptions:
        return set()
    rows = _invoices(project_id, subscriptions).filter(
        billing_reason=CYCLE, issued_at__gte=min(since.values())
    )
    renewals: dict[tuple[str, ...], list[tuple[datetime, bool]]] = defaultdict(list)
    for issued, status, attempts, *key in rows.values_list(
        "issued_at", "status", "attempt_count", *SUBSCRIPTION_KEY
    ):
        renewals[tuple(key)].append((issued, status == VOID and not attempts))
    return {row.pk for row in subscriptions if _is_skipped(renewals[_key(row)], since[row.pk])}


def _is_skipped(renewals: Iterable[tuple[datetime, bool]], since: datetime) -> bool:
    of_period = [skipped for issued, skipped in renewals if issued >= since]
    return bool(of_period) and all(of_period)


def is_renewed(*, subscription: Subscription, since: datetime) -> bool | None:
    """Whether the renewal for the period since ``since`` is paid; None if the period began with the
    subscription or by a change of it."""
    rows = _invoices(subscription.project_id, [subscription]).filter(
        customer_id=subscription.customer_id, issued_at__gte=since
    )
    invoices = list(rows.values_list("billing_reason", "status"))
    renewals = [status for reason, status in invoices if reason == CYCLE]
    if renewals:
        return PAID in renewals
    return None if any(status == PAID for _, status in invoices) else False


def _find_paid_invoices(
    project_id: str, subscriptions: Collection[Subscription], since: Mapping[str, datetime]
) -> dict[str, PeriodEnds]:
    """By subscription id, its paid invoices for the running period, or else its last paid one."""
    if not subscriptions:
        return {}
    ended = Max("lines__period_end")
    paid = _invoices(project_id, subscriptions).filter(status=PAID).annotate(ended=ended)
    running: dict[tuple[str, ...], PeriodEnds] = defaultdict(dict)
    recent = paid.filter(ended__gt=min(since.values()))
    for key, end, *subscription_key in recent.values_list("pk", "ended", *SUBSCRIPTION_KEY):
        running[tuple(subscription_key)][key] = end
    invoices: dict[str, PeriodEnds] = {
        row.pk: {
            key: end
            for key, end in running.get(_key(row), {}).items()
            if end and end > since[row.pk]
        }
        for row in subscriptions
    }
    if without := [row for row in subscriptions if not invoices[row.pk]]:
        latest = _find_latest(project_id, without)
        invoices |= {row.pk: latest.get(_key(row), {}) for row in without}
    return invoices


def _find_latest(
    project_id: str, subscriptions: Collection[Subscription]
) -> dict[tuple[str, ...], PeriodEnds]:
    """By subscription key, its last paid invoice."""
    paid = _invoices(project_id, subscriptions).filter(status=PAID)
    newest = (
        paid.order_by(*SUBSCRIPTION_KEY, "-issued_at", "-id")
        .distinct(*SUBSCRIPTION_KEY)
        .values("pk")
    )
    ended = (
        Invoice.objects.for_project(project_id)
        .filter(pk__in=newest)
        .annotate(ended=Max("lines__period_end"))
    )
    rows = ended.values_list("pk", "ended", *SUBSCRIPTION_KEY)
    return {tuple(subscription_key): {key: end} for key, end, *subscription_key in rows}


def _invoices(project_id: str, subscriptions: Iterable[Subscription]) -> ProjectQuerySet[Invoice]:
    """Invoices with the Stripe id of one of these subscriptions; the caller checks the customer."""
    return Invoice.objects.for_project(project_id).filter(
        subscription_stripe_id__in={
            subscription.stripe_id for subscription in subscriptions if subscription.stripe_id
        }
    )


def _key(subscription: Subscription) -> tuple[str, ...]:
    return (subscription.account_id, subscription.customer_id, subscription.stripe_id or "")


def _payments_of_customer(
    customer_id: str, by_invoice: Mapping[str, list[Payment]], invoices: Iterable[str]
) -> list[Payment]:
    """Payments by this customer for these invoices, each once."""
    payments = {payment.pk: payment for key in invoices for payment in by_invoice.get(key, ())}
    return [payment for payment in payments.values() if payment.customer_id == customer_id]


def _paid_on_pages(project_id: str, pages: Collection[Checkout]) -> dict[str, list[Payment]]:
    if not pages:
        return {}
    rows = Payment.objects.for_project(project_id).filter(
        stripe_id__in={page.payment_stripe_id for page in pages}
    )
    payments: dict[tuple[str, ...], list[Payment]] = defaultdict(list)
    for row in rows.prefetch_related("disputes"):
        payments[row.account_id, row.customer_id, row.stripe_id or ""].append(row)
    return {
        page.pk: payments.get((page.account_id, page.customer_id, page.payment_stripe_id), [])
        for page in pages
    }


def _paid_on_bills(project_id: str, pages: Collection[Checkout]) -> dict[str, list[Payment]]:
    if not pages:
        return {}
    rows = (
        InvoicePayment.objects.for_project(project_id)
        .filter(
            invoice__stripe_id__in={page.invoice_stripe_id for page in pages},
            payment__isnull=False,
        )
        .select_related("invoice", "payment")
        .prefetch_related("payment__disputes")
    )
    payments: dict[tuple[str, ...], dict[str, Payment]] = defaultdict(dict)
    for row in rows:
        payment = row.payment
        assert payment is not None
        if payment.account_id == row.invoice.account_id:
            payments[payment.account_id, payment.customer_id, row.invoice.stripe_id or ""][
                payment.pk
            ] = payment
    return {
        page.pk: list(
            payments.get((page.account_id, page.customer_id, page.invoice_stripe_id), {}).values()
        )
        for page in pages
    }


def _distinct(by_invoice: Mapping[str, list[Payment]]) -> list[Payment]:
    by_id = {payment.pk: payment for payments in by_invoice.values() for payment in payments}
    return list(by_id.values())


def _sum(rows: Collection[Payment], pages: LinesByPage, extra_refunds: ExtraRefunds) -> Receipts:
    """The sum of the receipts of a subscription's payments, which are loaded with disputes."""
    return line_receipts.merge(
        [
            line_receipts.of_subscription(row, pages=pages, extra_refunds=extra_refunds)
            for row in rows
        ]
    )
