"""What a change of a subscription has put on the customer's balance of money that was paid."""

from billing.models import Invoice, InvoiceLine, Payment
from billing.models.invoice import PAID


def of_payment(payment: Payment) -> int:
    """Minor units of this payment that later invoices have credited to the balance: those whose
    credits are for what it paid, as far as they came to less than nothing. Up to three queries."""
    paid_for = InvoiceLine.objects.for_project(payment.project_id).filter(
        invoice__payments__payment=payment, is_credit=False, amount__gt=0, price__isnull=False
    )
    spans = {(price, end) for price, end in paid_for.values_list("price_id", "period_end")}
    subscriptions = set(
        Invoice.objects.for_project(payment.project_id)
        .filter(payments__payment=payment)
        .exclude(subscription_stripe_id="")
        .values_list("subscription_stripe_id", flat=True)
    )
    if not spans or not subscriptions:
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
        if (price, end) in spans:
            totals[invoice] = -total
            credited[invoice] = credited.get(invoice, 0) - amount
    return sum(min(amount, totals[invoice]) for invoice, amount in credited.items())
