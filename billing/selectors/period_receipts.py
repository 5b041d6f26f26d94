"""What became of the money for single periods of a subscription, from our mirror of payments."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from billing.credit_terms import Period
from billing.models import InvoiceLine, InvoicePayment, Payment, Subscription
from billing.models.invoice import PAID
from billing.policies import Receipts
from billing.selectors.receipts import Also


def of_periods(
    *, subscription: Subscription, periods: Collection[Period], also: Also = None
) -> dict[Period, Receipts]:
    """Of what was paid for any part of each period; nothing received before that is paid.

    ``also`` as in :mod:`billing.selectors.receipts`. Three queries for any number of periods.
    """
    if not periods:
        return {}
    billed = _billed(subscription, since=min(period.starts_at for period in periods))
    paid = _paid(subscription, {invoice for invoice, _ in billed})
    return {period: _receipts(period, billed, paid, also or {}) for period in periods}


def _billed(subscription: Subscription, *, since: datetime) -> list[tuple[str, Period]]:
    """Which invoice paid for which time."""
    lines = InvoiceLine.objects.for_project(subscription.project_id).filter(
        invoice__account_id=subscription.account_id,
        invoice__customer_id=subscription.customer_id,
        invoice__subscription_stripe_id=subscription.stripe_id,
        invoice__status=PAID,
        period_end__gt=since,
    )
    rows = lines.values_list("invoice_id", "period_start", "period_end")
    return [(invoice, Period(start, end)) for invoice, start, end in rows]


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
