"""Invoices with their lines, the payments that settle them and their credit notes."""

from billing.models import CreditNote, Invoice, InvoiceLine, InvoicePayment
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
        "discount": money(row.discount, row.currency),
        "billing_credits": money(row.billing_credits, row.currency),
        "tax": money(row.tax, row.currency),
        "total": money(row.total, row.currency),
        "amount_due": money(row.amount_due, row.currency),
        "amount_paid": money(row.amount_paid, row.currency),
        "amount_remaining": money(row.amount_remaining, row.currency),
        "amount_credited": money(row.amount_credited, row.currency),
        "taxes": [_tax(each, row.currency) for each in row.taxes],
        "discounts": [
            {**each, "amount": money(each["amount"], row.currency)} for each in row.discounts
        ],
        "payments": [_payment(each) for each in row.payments.all()],
        "credit_notes": [
            _credit_note(each)
            for each in sorted(row.credit_notes.all(), key=lambda each: str(each.pk))
        ],
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
        "discount": money(row.discount, row.currency),
        "billing_credits": money(row.billing_credits, row.currency),
        "tax": money(row.tax, row.currency),
        "is_proration": row.is_proration,
        "period_start": moment(row.period_start),
        "period_end": moment(row.period_end),
    }


def _tax(tax: Json, currency: str) -> Json:
    return {
        "amount": money(tax["amount"], currency),
        "behavior": tax["behavior"],
        "taxable_amount": money(tax["taxable_amount"], currency),
    }


def _payment(row: InvoicePayment) -> Json:
    return {
        "payment": row.payment_id,
        "status": row.status,
        "amount": money(row.amount_paid, row.currency),
    }


def _credit_note(row: CreditNote) -> Json:
    return {
        "id": row.pk,
        "number": row.number or None,
        "status": row.status,
        "reason": row.reason or None,
        "amount": money(row.amount, row.currency),
        "stripe_id": row.stripe_id,
        "issued_at": moment(row.issued_at),
    }
