"""Receipts of single periods of subscriptions, from our mirror of payments."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from billing.access.credit_terms import CreditPeriod
from billing.access.policies import Receipts
from billing.access.selectors import line_receipts
from billing.access.selectors.line_receipts import ExtraRefunds, LinesByPage
from billing.access.selectors.period_bills import PeriodBill
from billing.models import InvoicePayment, Payment, Subscription
from billing.models.invoice import PAID
from common import prepared_relations
from common.prepared_queries import Parameter, PreparedQuery, is_any

BilledPeriods = tuple[Subscription, Collection[PeriodBill], Collection[CreditPeriod]]
"""A subscription, the lines of its invoices, and the periods to find receipts of."""
_LINKS = PreparedQuery(
    lambda: InvoicePayment.objects.for_project(Parameter("project_id")).filter(
        is_any("invoice_id", "invoice_ids"), payment__isnull=False
    ),
    related=["payment"],
)
"""Payments of invoices."""


def of_periods(
    *, project_id: str, subscriptions: Collection[BilledPeriods], extra_refunds: ExtraRefunds = None
) -> dict[str, dict[CreditPeriod, Receipts]]:
    """Receipts by subscription id and period, of all payments for any part of the period.

    ``extra_refunds`` as in :mod:`billing.access.selectors.receipts`. Up to three queries for any
    number of periods.
    """
    billed = {
        row.pk: [(bill.invoice_id, bill.period) for bill in bills if bill.status == PAID]
        for row, bills, periods in subscriptions
        if periods
    }
    paid: dict[str, list[Payment]] = {}
    if billed:
        paid = _find_payments(
            project_id, {invoice for pairs in billed.values() for invoice, _ in pairs}
        )
    payments_by_id = {payment.pk: payment for payments in paid.values() for payment in payments}
    pages = line_receipts.find_lines_of_named_pages(
        project_id=project_id, payments=payments_by_id.values(), extra_refunds=extra_refunds
    )
    return {
        row.pk: _of_subscription(row, billed.get(row.pk, []), periods, paid, pages, extra_refunds)
        for row, _, periods in subscriptions
    }


def _of_subscription(
    row: Subscription,
    billed: Sequence[tuple[str, CreditPeriod]],
    periods: Iterable[CreditPeriod],
    paid: Mapping[str, Sequence[Payment]],
    pages: LinesByPage,
    extra_refunds: ExtraRefunds,
) -> dict[CreditPeriod, Receipts]:
    """Receipts by period. Payments by another customer for an invoice do not count."""
    of_customer = [
        (invoice, payment)
        for invoice in {invoice for invoice, _ in billed}
        for payment in paid.get(invoice, ())
        if payment.customer_id == row.customer_id
    ]
    return {
        period: _receipts(period, billed, of_customer, pages, extra_refunds) for period in periods
    }


def _find_payments(project_id: str, invoices: Collection[str]) -> dict[str, list[Payment]]:
    if not invoices:
        return {}
    rows = _LINKS.rows(project_id=project_id, invoice_ids=sorted(invoices))
    prepared_relations.load([row.payment for row in rows if row.payment], "disputes")
    payments: dict[str, list[Payment]] = defaultdict(list)
    for row in rows:
        if row.payment is not None:
            payments[row.invoice_id].append(row.payment)
    return payments


def _receipts(
    period: CreditPeriod,
    billed: Iterable[tuple[str, CreditPeriod]],
    paid: Iterable[tuple[str, Payment]],
    pages: LinesByPage,
    extra_refunds: ExtraRefunds,
) -> Receipts:
    invoices = {invoice for invoice, part in billed if _do_overlap(part, period)}
    payments = {payment.pk: payment for invoice, payment in paid if invoice in invoices}
    receipts = [
        line_receipts.of_subscription(payment, pages=pages, extra_refunds=extra_refunds)
        for payment in payments.values()
    ]
    return replace(line_receipts.merge(receipts), until=period.ends_at)


def _do_overlap(one: CreditPeriod, other: CreditPeriod) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at
