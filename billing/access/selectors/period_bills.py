"""Lines of a subscription's invoices, and whether they count as paid.

``docs/credits.md`` defines that: an invoice counts when it is paid (also out of band, from the
customer's balance or because nothing was due), and so does a first invoice that was voided as a
gift. For a product with the ``renewal_policy`` ``invoiced`` draft and open invoices count too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.access.billed_units import BilledLine
from billing.access.credit_terms import CreditPeriod
from billing.models import InvoiceLine, Subscription
from billing.models.invoice import PAID, UNPAID, VOID
from billing.models.product import RenewalPolicy
from common.prepared_queries import Parameter, PreparedQuery, is_any

FIRST = "subscription_create"
"""The billing reason of the invoice with which a subscription begins."""
CYCLE = "subscription_cycle"
"""The billing reason of a renewal."""
UPDATE = "subscription_update"
_LINES = PreparedQuery(
    lambda: (
        InvoiceLine.objects.for_project(Parameter("project_id"))
        .filter(
            is_any("invoice__customer_id", "customer_ids"),
            is_any("invoice__subscription_stripe_id", "stripe_ids"),
            period_end__gte=Parameter("since"),
        )
        .order_by("id")
    ),
    related=["invoice", "price"],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodBill:
    """One line of an invoice. ``billed`` is None for metered use and for lines without a price of
    ours. ``issued_at`` of a draft is its creation."""

    invoice_id: str
    status: str
    reason: str
    issued_at: datetime
    is_gift: bool
    period: CreditPeriod
    billed: BilledLine | None

    def counts_as_paid(self, renewal_policy: str) -> bool:
        """Whether the line counts as paid under the product's ``renewal_policy``."""
        if self.status == PAID or self.is_gift:
            return True
        return renewal_policy == RenewalPolicy.INVOICED and self.status in UNPAID


def find_bills(
    *, project_id: str, subscriptions: Sequence[Subscription], since: Mapping[str, datetime]
) -> dict[str, list[PeriodBill]]:
    """By subscription id, its lines for times that end at or after its ``since``. One query."""
    bills: dict[str, list[PeriodBill]] = {each.pk: [] for each in subscriptions}
    by_key = {(each.account_id, each.customer_id, each.stripe_id): each for each in subscriptions}
    for row in _lines(project_id, subscriptions, min(since.values())):
        invoice = row.invoice
        key = (invoice.account_id, invoice.customer_id, invoice.subscription_stripe_id)
        subscription = by_key.get(key)
        if subscription is not None and row.period_end >= since[subscription.pk]:
            bills[subscription.pk].append(_bill(row))
    return bills


def has_money(bills: Iterable[PeriodBill], *, since: datetime, renewal_policy: str) -> bool:
    """Whether the period that began at ``since`` counts as paid for an item that no line bills: an
    invoice of the period counts, and no period invoice is unpaid."""
    of_period = [bill for bill in bills if bill.issued_at >= since]
    beginning = [bill for bill in of_period if bill.reason in (FIRST, CYCLE)]
    if not all(bill.counts_as_paid(renewal_policy) for bill in beginning):
        return False
    return any(
        bill.counts_as_paid(renewal_policy)
        for bill in of_period
        if bill.reason in (FIRST, CYCLE, UPDATE)
    )


def _lines(
    project_id: str, subscriptions: Iterable[Subscription], since: datetime
) -> list[InvoiceLine]:
    return _LINES.rows(
        project_id=project_id,
        customer_ids=sorted({each.customer_id for each in subscriptions}),
        stripe_ids=sorted({each.stripe_id for each in subscriptions if each.stripe_id}),
        since=since,
    )


def _bill(row: InvoiceLine) -> PeriodBill:
    """A first invoice that was voided before any attempt to collect it is a gift."""
    is_void_first = row.invoice.status == VOID and row.invoice.billing_reason == FIRST
    return PeriodBill(
        invoice_id=row.invoice_id,
        status=row.invoice.status,
        reason=row.invoice.billing_reason,
        issued_at=row.invoice.issued_at,
        is_gift=is_void_first and not row.invoice.attempt_count,
        period=CreditPeriod(row.period_start, row.period_end),
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
