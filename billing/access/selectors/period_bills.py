"""What a subscription's invoices billed, line by line, and which of it counts as paid.

What counts as money for a period is stated in ``docs/credits.md``: an invoice that is paid, also
out of band, from the customer's balance or because nothing was due, and a first invoice that was
voided as a gift. A product whose ``renewal_policy`` is ``invoiced`` trusts a draft or open one too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.access.billed_units import BilledLine
from billing.access.credit_terms import Period
from billing.models import InvoiceLine, Subscription
from billing.models.invoice import PAID, UNPAID, VOID
from billing.models.product import RenewalPolicy

FIRST = "subscription_create"
"""The billing reason of the invoice with which a subscription begins."""
CYCLE = "subscription_cycle"
"""The billing reason of a renewal."""
UPDATE = "subscription_update"


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


def of_subscriptions(
    *, project_id: str, subscriptions: Sequence[Subscription], since: Mapping[str, datetime]
) -> dict[str, list[Bill]]:
    """By subscription, every line of it for a time after its ``since``. One query."""
    found: dict[str, list[Bill]] = {each.pk: [] for each in subscriptions}
    by_key = {(each.account_id, each.customer_id, each.stripe_id): each for each in subscriptions}
    for row in _lines(project_id, subscriptions, min(since.values())):
        invoice = row.invoice
        key = (invoice.account_id, invoice.customer_id, invoice.subscription_stripe_id)
        whose = by_key.get(key)
        if whose is not None and row.period_end >= since[whose.pk]:
            found[whose.pk].append(_bill(row))
    return found


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


def _lines(
    project_id: str, subscriptions: Iterable[Subscription], since: datetime
) -> Iterable[InvoiceLine]:
    return (
        InvoiceLine.objects.for_project(project_id)
        .filter(
            invoice__customer_id__in={each.customer_id for each in subscriptions},
            invoice__subscription_stripe_id__in={each.stripe_id for each in subscriptions},
            period_end__gte=since,
        )
        .select_related("invoice", "price")
        .order_by("id")
    )


def _bill(row: InvoiceLine) -> Bill:
    """A first invoice that was voided before any attempt to collect it was given away."""
    is_void_first = row.invoice.status == VOID and row.invoice.billing_reason == FIRST
    return Bill(
        invoice_id=row.invoice_id,
        status=row.invoice.status,
        reason=row.invoice.billing_reason,
        issued_at=row.invoice.issued_at,
        is_gift=is_void_first and not row.invoice.attempt_count,
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
