"""Sum the money of a payment that plan changes have credited to the customer's balance."""

from billing.models import Invoice, InvoiceLine, Payment
from billing.models.invoice import PAID
from common.prepared_queries import Parameter, PreparedValues, is_any

_PAID_PERIODS = PreparedValues(
    lambda: (
        InvoiceLine.objects.for_project(Parameter("project_id"))
        .filter(
            invoice__payments__payment_id=Parameter("payment_id"),
            is_credit=False,
            amount__gt=0,
            price__isnull=False,
        )
        .values_list("price_id", "period_end")
    )
)
_SUBSCRIPTIONS = PreparedValues(
    lambda: (
        Invoice.objects.for_project(Parameter("project_id"))
        .filter(payments__payment_id=Parameter("payment_id"))
        .exclude(subscription_stripe_id="")
        .values_list("subscription_stripe_id")
    )
)
_CREDITS = PreparedValues(
    lambda: (
        InvoiceLine.objects.for_project(Parameter("project_id"))
        .filter(
            is_any("invoice__subscription_stripe_id", "stripe_ids"),
            invoice__account_id=Parameter("account_id"),
            invoice__customer_id=Parameter("customer_id"),
            invoice__status=PAID,
            invoice__total__lt=0,
            is_credit=True,
        )
        .values_list("invoice_id", "invoice__total", "price_id", "period_end", "amount")
    )
)


def sum_credited(payment: Payment) -> int:
    """Sum the minor units of this payment that later invoices credited to the customer's balance.

    A later invoice counts if its credit lines are for the same price and period end as lines that
    this payment paid, and at most with its negative total. Up to three queries.
    """
    of_payment = {"project_id": payment.project_id, "payment_id": payment.pk}
    paid_periods = set(_PAID_PERIODS.rows(**of_payment))
    if not paid_periods:
        return 0
    subscriptions = {stripe_id for (stripe_id,) in _SUBSCRIPTIONS.rows(**of_payment)}
    if not subscriptions:
        return 0
    rows = _CREDITS.rows(
        project_id=payment.project_id,
        account_id=payment.account_id,
        customer_id=payment.customer_id,
        stripe_ids=sorted(subscriptions),
    )
    credited: dict[str, int] = {}
    totals: dict[str, int] = {}
    for invoice, total, price, end, amount in rows:
        if (price, end) in paid_periods:
            totals[invoice] = -total
            credited[invoice] = credited.get(invoice, 0) - amount
    return sum(min(amount, totals[invoice]) for invoice, amount in credited.items())
