"""Sum the money of a payment that plan changes have credited to the customer's balance."""

from billing.models import Invoice, InvoiceLine, Payment
from billing.models.invoice import PAID


def sum_credited(payment: Payment) -> int:
    """Sum the minor units of this payment that later invoices credited to the customer's balance.

    A later invoice counts if its credit lines are for the same price and period end as lines that
    this payment paid, and at most with its negative total. Up to three queries.
    """
    paid_for = InvoiceLine.objects.for_project(payment.project_id).filter(
        invoice__payments__payment=payment, is_credit=False, amount__gt=0, price__isnull=False
    )
    paid_periods = {(price, end) for price, end in paid_for.values_list("price_id", "period_end")}
    subscriptions = set(
        Invoice.objects.for_project(payment.project_id)
        .filter(payments__payment=payment)
        .exclude(subscription_stripe_id="")
        .values_list("subscription_stripe_id", flat=True)
    )
    if not paid_periods or not subscriptions:
        return 0
    rows = InvoiceLine.objects.for_project(payment.project_id).filter(
        invoice__account_id=payment.account_id,
        invoice__customer_id=payment.customer_id,
        invoice__subscription_stripe_id__in=subscriptions,
        invoice__status=PAID,
        invoice__total__lt=0,
        is_credit=True,
    )
    credited: dict[str, int] = {}
    totals: dict[str, int] = {}
    for invoice, total, price, end, amount in rows.values_list(
        "invoice_id", "invoice__total", "price_id", "period_end", "amount"
    ):
        if (price, end) in paid_periods:
            totals[invoice] = -total
            credited[invoice] = credited.get(invoice, 0) - amount
    return sum(min(amount, totals[invoice]) for invoice, amount in credited.items())
