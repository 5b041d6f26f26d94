"""Receipts of purchases and subscriptions, from our mirror of payments.

A fixed number of queries for any number of rows. ``extra_refunds`` is money, by payment, that is
treated as refunded: for a preview of a refund. A refund that names lines of a checkout reduces only
the receipts of these lines and of their subscription.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Max, QuerySet

from billing.access.policies import Receipts
from billing.access.selectors import line_receipts, subscription_invoices
from billing.access.selectors.line_receipts import ExtraRefunds, LinesByPage
from billing.access.selectors.subscription_invoices import (
    SUBSCRIPTION_KEY,
    RunningInvoices,
    key_of,
    prepared_invoices,
    stripe_ids,
)
from billing.models import (
    Checkout,
    CheckoutLine,
    Invoice,
    InvoicePayment,
    Payment,
    Subscription,
)
from billing.models.invoice import PAID
from common import prepared_relations
from common.prepared_queries import Parameter, PreparedQuery, PreparedValues, is_any

PeriodEnds = dict[str, datetime | None]
"""Ids of invoices, each with the end of the last period that it bills."""

_LINKS = PreparedQuery(
    lambda: InvoicePayment.objects.for_project(Parameter("project_id")).filter(
        is_any("invoice_id", "invoice_ids"), payment__isnull=False
    ),
    related=["payment"],
)
_LINKS_OF_BILLS = PreparedQuery(
    lambda: InvoicePayment.objects.for_project(Parameter("project_id")).filter(
        is_any("invoice__stripe_id", "invoice_stripe_ids"), payment__isnull=False
    ),
    related=["invoice", "payment"],
)
_OF_PAGES = PreparedQuery(
    lambda: Payment.objects.for_project(Parameter("project_id")).filter(
        is_any("stripe_id", "stripe_ids")
    )
)
_LATEST_PAID = PreparedValues(
    lambda: (
        _select_latest_paid()
        .annotate(ended=Max("lines__period_end"))
        .values_list("pk", "ended", *SUBSCRIPTION_KEY)
    )
)


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
    invoices: RunningInvoices,
    *,
    project_id: str,
    subscriptions: Collection[Subscription],
    since: Mapping[str, datetime],
    extra_refunds: ExtraRefunds = None,
) -> dict[str, Receipts]:
    """Receipts by subscription id: of the invoices for the period that runs since ``since``, or of
    the last paid invoice if that period is not paid yet. Up to four queries."""
    period_ends = _find_paid_invoices(invoices, project_id, subscriptions, since)
    invoice_ids = [key for ends in period_ends.values() for key in ends]
    links = _LINKS.rows(project_id=project_id, invoice_ids=invoice_ids) if invoice_ids else []
    prepared_relations.load([row.payment for row in links if row.payment], "disputes")
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


def _find_paid_invoices(
    invoices: RunningInvoices,
    project_id: str,
    subscriptions: Collection[Subscription],
    since: Mapping[str, datetime],
) -> dict[str, PeriodEnds]:
    """By subscription id, its paid invoices for the running period, or else its last paid one."""
    period_ends: dict[str, PeriodEnds] = {
        row.pk: dict(
            subscription_invoices.paid_since(invoices, subscription=row, since=since[row.pk])
        )
        for row in subscriptions
    }
    if without := [row for row in subscriptions if not period_ends[row.pk]]:
        latest = _find_latest(project_id, without)
        period_ends |= {row.pk: latest.get(key_of(row), {}) for row in without}
    return period_ends


def _find_latest(
    project_id: str, subscriptions: Collection[Subscription]
) -> dict[tuple[str, ...], PeriodEnds]:
    """By subscription key, its last paid invoice."""
    rows = _LATEST_PAID.rows(project_id=project_id, stripe_ids=stripe_ids(subscriptions))
    return {tuple(subscription_key): {key: end} for key, end, *subscription_key in rows}


def _select_latest_paid() -> QuerySet[Invoice, Any]:
    newest = (
        prepared_invoices()
        .filter(status=PAID)
        .order_by(*SUBSCRIPTION_KEY, "-issued_at", "-id")
        .distinct(*SUBSCRIPTION_KEY)
        .values("pk")
    )
    return Invoice.objects.for_project(Parameter("project_id")).filter(pk__in=newest)


def _payments_of_customer(
    customer_id: str, by_invoice: Mapping[str, list[Payment]], invoices: Iterable[str]
) -> list[Payment]:
    """Payments by this customer for these invoices, each once."""
    payments = {payment.pk: payment for key in invoices for payment in by_invoice.get(key, ())}
    return [payment for payment in payments.values() if payment.customer_id == customer_id]


def _paid_on_pages(project_id: str, pages: Collection[Checkout]) -> dict[str, list[Payment]]:
    if not pages:
        return {}
    rows = _OF_PAGES.rows(
        project_id=project_id, stripe_ids=sorted({page.payment_stripe_id for page in pages})
    )
    prepared_relations.load(rows, "disputes")
    payments: dict[tuple[str, ...], list[Payment]] = defaultdict(list)
    for row in rows:
        payments[row.account_id, row.customer_id, row.stripe_id or ""].append(row)
    return {
        page.pk: payments.get((page.account_id, page.customer_id, page.payment_stripe_id), [])
        for page in pages
    }


def _paid_on_bills(project_id: str, pages: Collection[Checkout]) -> dict[str, list[Payment]]:
    if not pages:
        return {}
    rows = _LINKS_OF_BILLS.rows(
        project_id=project_id,
        invoice_stripe_ids=sorted({page.invoice_stripe_id for page in pages}),
    )
    prepared_relations.load([row.payment for row in rows if row.payment], "disputes")
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
