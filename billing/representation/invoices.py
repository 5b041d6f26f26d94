"""Invoices with their lines."""

from billing.models import Invoice, InvoiceLine
from billing.representation.values import Json, moment, money


def invoice(row: Invoice) -> Json:
    return {
        "id": row.pk,
        "number": row.number or None,
        "status": row.status,
        "billing_reason": row.billing_reason or None,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "subscription": row.subscription_id,
        "subtotal": money(row.subtotal, row.currency),
        "tax": money(row.tax, row.currency),
        "total": money(row.total, row.currency),
        "amount_due": money(row.amount_due, row.currency),
        "amount_paid": money(row.amount_paid, row.currency),
        "attempt_count": row.attempt_count,
        "next_attempt_at": moment(row.next_attempt_at),
        "lines": [_invoice_line(each) for each in row.lines.all()],
        "hosted_url": row.hosted_url or None,
        "pdf_url": row.pdf_url or None,
        "stripe_id": row.stripe_id,
        "issued_at": moment(row.issued_at),
        "paid_at": moment(row.paid_at),
    }


def _invoice_line(row: InvoiceLine) -> Json:
    return {
        "description": row.description,
        "price": row.price_id,
        "quantity": row.quantity,
        "amount": money(row.amount, row.currency),
        "is_proration": row.is_proration,
        "period_start": moment(row.period_start),
        "period_end": moment(row.period_end),
    }
