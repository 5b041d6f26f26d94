"""What became of the money for single periods of a subscription, from our mirror of payments."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from billing.access.credit_terms import Period
from billing.access.policies import Receipts
from billing.access.selectors import line_receipts
from billing.access.selectors.line_receipts import Also, Pages
from billing.access.selectors.period_bills import Bill
from billing.models import InvoicePayment, Payment, Subscription
from billing.models.invoice import PAID

Wanted = tuple[Subscription, Collection[Bill], Collection[Period]]
"""A subscription, its bills, and the periods whose money is asked for."""


def of_periods(
    *, project_id: str, wanted: Collection[Wanted], also: Also = None
) -> dict[str, dict[Period, Receipts]]:
    """By subscription and period: of what was paid for any part of the period; nothing received
    before that is paid.

    ``also`` as in :mod:`billing.access.selectors.receipts`. Up to three queries for any number of
    periods.
    """
    billed = {
        row.pk: [(bill.invoice_id, bill.period) for bill in bills if bill.status == PAID]
        for row, bills, periods in wanted
        if periods
    }
    paid: dict[str, list[Payment]] = {}
    if billed:
        paid = _paid(project_id, {invoice for found in billed.values() for invoice, _ in found})
    every = {each.pk: each for found in paid.values() for each in found}
    pages = line_receipts.pages_of(project_id=project_id, payments=every.values(), also=also)
    return {
        row.pk: _of_subscription(row, billed.get(row.pk, []), periods, paid, pages, also)
        for row, _, periods in wanted
    }


def _of_subscription(
    row: Subscription,
    billed: Sequence[tuple[str, Period]],
    periods: Iterable[Period],
    paid: Mapping[str, Sequence[Payment]],
    pages: Pages,
    also: Also,
) -> dict[Period, Receipts]:
    """Payments of another customer for an invoice do not count."""
    theirs = [
        (invoice, payment)
        for invoice in {invoice for invoice, _ in billed}
        for payment in paid.get(invoice, ())
        if payment.customer_id == row.customer_id
    ]
    return {period: _receipts(period, billed, theirs, pages, also) for period in periods}


def _paid(project_id: str, invoices: Collection[str]) -> dict[str, list[Payment]]:
    rows = (
        InvoicePayment.objects.for_project(project_id)
        .filter(invoice_id__in=invoices, payment__isnull=False)
        .select_related("payment")
        .prefetch_related("payment__disputes")
    )
    found: dict[str, list[Payment]] = defaultdict(list)
    for row in rows:
        if row.payment is not None:
            found[row.invoice_id].append(row.payment)
    return found


def _receipts(
    period: Period,
    billed: Iterable[tuple[str, Period]],
    paid: Iterable[tuple[str, Payment]],
    pages: Pages,
    also: Also,
) -> Receipts:
    invoices = {invoice for invoice, of in billed if _overlap(of, period)}
    payments = {payment.pk: payment for invoice, payment in paid if invoice in invoices}
    found = [
        line_receipts.of_subscription(each, pages=pages, also=also) for each in payments.values()
    ]
    return replace(line_receipts.merged(found), until=period.ends_at)


def _overlap(one: Period, other: Period) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at
