"""What a subscription's invoices billed, line by line, and which of it counts as paid.

What counts as money for a period is stated in ``docs/credits.md``: an invoice that is paid, also
out of band, from the customer's balance or because nothing was due, and a first invoice that was
voided as a gift. A product whose ``renewal_policy`` is ``invoiced`` trusts a draft or open one too.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from billing.billed_units import BilledLine
from billing.credit_terms import Period
from billing.models import InvoiceLine, InvoicePayment, Subscription
from billing.models.invoice import PAID, UNPAID, VOID
from billing.models.payment import PaymentStatus
from billing.models.product import RenewalPolicy

FIRST = "subscription_create"
"""The billing reason of the invoice with which a subscription begins."""
CYCLE = "subscription_cycle"
"""The billing reason of a renewal."""
UPDATE = "subscription_update"
CAME_TO_NOTHING = (PaymentStatus.FAILED, PaymentStatus.CANCELED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One line of an invoice. ``billed`` is empty for what has no quantity and no price of ours:
    metered use, and what was added by hand. ``issued_at`` of a draft is when it was made."""

    invoice_id: str
    status: str
    reason: str
    issued_at: datetime
    is_gift: bool
    period: Period
    billed: BilledLine | None

    def counts(self, renewal_policy: str) -> bool:
        """Whether it counts as money for what it bills."""
        if self.status == PAID or self.is_gift:
            return True
        return renewal_policy == RenewalPolicy.INVOICED and self.status in UNPAID


def of_subscription(*, subscription: Subscription, since: datetime) -> list[Bill]:
    """Every line for a time after ``since``, and those of invoices of that time. Up to two
    queries."""
    rows = list(_lines(subscription, since))
    void = {
        row.invoice_id
        for row in rows
        if row.invoice.status == VOID and row.invoice.billing_reason == FIRST
    }
    gifts = void - _failed(subscription.project_id, void)
    return [_bill(row, is_gift=row.invoice_id in gifts) for row in rows]


def is_settled(bills: Iterable[Bill], *, since: datetime, renewal_policy: str) -> bool:
    """Whether the period that began at ``since`` has its money, for what no line of its own bills:
    an invoice of the period counts, and none with which a period begins waits for money."""
    of_period = [bill for bill in bills if bill.issued_at >= since]
    beginning = [bill for bill in of_period if bill.reason in (FIRST, CYCLE)]
    if not all(bill.counts(renewal_policy) for bill in beginning):
        return False
    return any(
        bill.counts(renewal_policy) for bill in of_period if bill.reason in (FIRST, CYCLE, UPDATE)
    )


def _lines(subscription: Subscription, since: datetime) -> Iterable[InvoiceLine]:
    return (
        InvoiceLine.objects.for_project(subscription.project_id)
        .filter(
            invoice__account_id=subscription.account_id,
            invoice__customer_id=subscription.customer_id,
            invoice__subscription_stripe_id=subscription.stripe_id,
            period_end__gte=since,
        )
        .select_related("invoice", "price")
        .order_by("id")
    )


def _failed(project_id: str, invoices: Collection[str]) -> set[str]:
    """Those of these invoices with a payment that came to nothing: nobody gave them away."""
    if not invoices:
        return set()
    rows = InvoicePayment.objects.for_project(project_id).filter(
        invoice_id__in=invoices, payment__status__in=CAME_TO_NOTHING
    )
    return set(rows.values_list("invoice_id", flat=True))


def _bill(row: InvoiceLine, *, is_gift: bool) -> Bill:
    return Bill(
        invoice_id=row.invoice_id,
        status=row.invoice.status,
        reason=row.invoice.billing_reason,
        issued_at=row.invoice.issued_at,
        is_gift=is_gift,
        period=Period(row.period_start, row.period_end),
        billed=_billed(row),
    )


def _billed(row: InvoiceLine) -> BilledLine | None:
    price = row.price
    if price is None or price.is_metered or not price.is_recurring:
        return None
    return BilledLine(
        product_id=price.product_id,
        price_id=price.pk,
        starts_at=row.period_start,
        ends_at=row.period_end,
        quantity=row.quantity or 0,
        amount=row.amount,
        unit_amount=price.unit_amount,
        interval=price.interval,
        interval_count=price.interval_count,
        is_proration=row.is_proration,
        is_credit=row.is_credit,
    )
