"""What became of the money for single periods of a subscription, from our mirror of payments."""

from collections.abc import Collection, Iterable, Mapping

from billing.credit_terms import Period
from billing.models import InvoicePayment, Payment, Subscription
from billing.models.invoice import PAID
from billing.policies import Receipts
from billing.selectors.period_bills import Bill
from billing.selectors.receipts import Also


def of_periods(
    *,
    subscription: Subscription,
    bills: Collection[Bill],
    periods: Collection[Period],
    also: Also = None,
) -> dict[Period, Receipts]:
    """Of what was paid for any part of each period; nothing received before that is paid.

    ``bills`` are those of the subscription for these periods, ``also`` as in
    :mod:`billing.selectors.receipts`. Two queries for any number of periods.
    """
    if not periods:
        return {}
    billed = [(bill.invoice_id, bill.period) for bill in bills if bill.status == PAID]
    paid = _paid(subscription, {invoice for invoice, _ in billed})
    return {period: _receipts(period, billed, paid, also or {}) for period in periods}


def _paid(subscription: Subscription, invoices: Collection[str]) -> list[tuple[str, Payment]]:
    rows = (
        InvoicePayment.objects.for_project(subscription.project_id)
        .filter(invoice_id__in=invoices, payment__customer_id=subscription.customer_id)
        .select_related("payment")
        .prefetch_related("payment__disputes")
    )
    return [(row.invoice_id, row.payment) for row in rows if row.payment is not None]


def _receipts(
    period: Period,
    billed: Iterable[tuple[str, Period]],
    paid: Iterable[tuple[str, Payment]],
    also: Mapping[str, int],
) -> Receipts:
    invoices = {invoice for invoice, of in billed if _overlap(of, period)}
    payments = {payment.pk: payment for invoice, payment in paid if invoice in invoices}
    disputes = [each for payment in payments.values() for each in payment.disputes.all()]
    return Receipts(
        received=sum(payment.amount_received for payment in payments.values()),
        refunded=sum(each.amount_refunded + also.get(key, 0) for key, each in payments.items()),
        lost=sum(each.amount for each in disputes if each.is_lost),
        until=period.ends_at,
        contested_since=min((each.since for each in disputes if each.is_open), default=None),
    )


def _overlap(one: Period, other: Period) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at
