"""Invoices with their lines, payments, taxes, discounts and credit notes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from billing.models import CreditNote, Invoice, InvoiceLine, InvoicePayment
from common.bodies import MoneyBody, Time, money
from common.prepared_relations import rows_of
from common.times import rfc3339


class InvoiceLineBody(TypedDict):
    description: str
    price: str | None
    quantity: int | None
    amount: Annotated[MoneyBody, "Before discounts and exclusive taxes."]
    discount: MoneyBody
    billing_credits: Annotated[MoneyBody, "Taken off by Stripe's credit grants."]
    tax: Annotated[MoneyBody, "Exclusive taxes only: those that are added to the amount."]
    is_proration: bool
    period_start: Time
    period_end: Time


class InvoiceTaxBody(TypedDict):
    amount: MoneyBody
    behavior: Annotated[Literal["exclusive", "inclusive"], "Added to the amounts, or part of them."]
    taxable_amount: MoneyBody | None


class InvoiceDiscountBody(TypedDict):
    amount: MoneyBody
    coupon: str | None
    promotion_code: str | None


class InvoicePaymentBody(TypedDict):
    payment: Annotated[str | None, "Null for money that came without a payment."]
    status: Annotated[str, "open, processing (the bank has not answered yet), paid or canceled."]
    amount: Annotated[MoneyBody, "The part of the invoice that it has paid."]


class CreditNoteBody(TypedDict):
    """A reduction of a finalized invoice; the amount includes taxes."""

    id: str
    number: str | None
    status: Annotated[str, "Stripe's: issued or void."]
    reason: str | None
    amount: MoneyBody
    stripe_id: str
    issued_at: Time


class InvoiceBody(TypedDict):
    """A bill from Stripe. The total is the subtotal less discount and billing credits, plus
    exclusive taxes. The same holds for each line."""

    id: str
    number: str | None
    status: Annotated[
        str, "Stripe's: draft, open, paid, uncollectible or void; Stripe may add others."
    ]
    billing_reason: str | None
    customer: str
    user_id: str
    subscription: str | None
    subtotal: MoneyBody
    discount: MoneyBody
    billing_credits: Annotated[MoneyBody, "Taken off by Stripe's credit grants."]
    tax: MoneyBody
    total: MoneyBody
    amount_due: MoneyBody
    amount_paid: MoneyBody
    amount_remaining: MoneyBody
    amount_credited: Annotated[MoneyBody, "Taken off by credit notes."]
    taxes: list[InvoiceTaxBody]
    discounts: list[InvoiceDiscountBody]
    payments: list[InvoicePaymentBody]
    credit_notes: list[CreditNoteBody]
    attempt_count: int
    next_attempt_at: Time | None
    lines: list[InvoiceLineBody]
    hosted_url: str | None
    pdf_url: str | None
    stripe_id: str
    issued_at: Time
    paid_at: Time | None


def invoice(row: Invoice) -> InvoiceBody:
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
        "discounts": [_discount(discount, row.currency) for discount in row.discounts],
        "payments": [_payment(each) for each in rows_of(row, "payments")],
        "credit_notes": [
            _credit_note(each)
            for each in sorted(rows_of(row, "credit_notes"), key=lambda each: str(each.pk))
        ],
        "attempt_count": row.attempt_count,
        "next_attempt_at": rfc3339(row.next_attempt_at),
        "lines": [_invoice_line(each) for each in rows_of(row, "lines")],
        "hosted_url": row.hosted_url or None,
        "pdf_url": row.pdf_url or None,
        "stripe_id": row.id_at_stripe,
        "issued_at": rfc3339(row.issued_at),
        "paid_at": rfc3339(row.paid_at),
    }


def _invoice_line(row: InvoiceLine) -> InvoiceLineBody:
    return {
        "description": row.description,
        "price": row.price_id,
        "quantity": row.quantity,
        "amount": money(row.amount, row.currency),
        "discount": money(row.discount, row.currency),
        "billing_credits": money(row.billing_credits, row.currency),
        "tax": money(row.tax, row.currency),
        "is_proration": row.is_proration,
        "period_start": rfc3339(row.period_start),
        "period_end": rfc3339(row.period_end),
    }


def _discount(discount: Mapping[str, Any], currency: str) -> InvoiceDiscountBody:
    return {
        "amount": money(discount["amount"], currency),
        "coupon": discount["coupon"],
        "promotion_code": discount["promotion_code"],
    }


def _tax(tax: Mapping[str, Any], currency: str) -> InvoiceTaxBody:
    return {
        "amount": money(tax["amount"], currency),
        "behavior": tax["behavior"],
        "taxable_amount": money(tax["taxable_amount"], currency),
    }


def _payment(row: InvoicePayment) -> InvoicePaymentBody:
    return {
        "payment": row.payment_id,
        "status": row.status,
        "amount": money(row.amount_paid, row.currency),
    }


def _credit_note(row: CreditNote) -> CreditNoteBody:
    return {
        "id": row.pk,
        "number": row.number or None,
        "status": row.status,
        "reason": row.reason or None,
        "amount": money(row.amount, row.currency),
        "stripe_id": row.id_at_stripe,
        "issued_at": rfc3339(row.issued_at),
    }
