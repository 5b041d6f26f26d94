"""Payments of invoices at Stripe: which PaymentIntent settles which invoice.

A listed invoice contains its payments, but of their PaymentIntents only the ids: expanding those
would be a fifth level, and Stripe allows four. The PaymentIntent is needed only while a payment is
open, because its bank may not have answered yet. Therefore the open payments of a page of invoices
are read from a list of their own.
"""

from collections.abc import Sequence
from datetime import timedelta

from stripe import StripeClient

from billing.stripe import pagination, reads
from billing.stripe.errors import StripeRefused
from billing.stripe.fields import PAGE, Fields, reference

URL = "/v1/invoice_payments"
EXPAND = "payment.payment_intent"
OPEN = "open"
MOST_PAGES = 3
"""Most pages of open payments that are read for one page of invoices; the others are read
singly."""
FINALIZED_AFTER = timedelta(days=1)
"""Stripe creates the payment when it finalizes the invoice, one hour after a renewal creates it."""


def of_invoice(client: StripeClient, invoice_stripe_id: str) -> list[Fields]:
    """All payments of an invoice, each with its PaymentIntent."""
    params = {"invoice": invoice_stripe_id, "expand": [f"data.{EXPAND}"]}
    return pagination.all_of(client, URL, params)


def open_payments_of(client: StripeClient, invoices: Sequence[Fields]) -> dict[str, Fields]:
    """Open payments of these invoices by their ids, with their PaymentIntents.

    Sends at most ``MOST_PAGES`` requests, and none if no payment is open. Payments that are left
    out must be read with :func:`of_invoice`.
    """
    waiting = [invoice for invoice in invoices if open_in(invoice)]
    missing = {reference(payment) for invoice in waiting for payment in open_in(invoice)}
    open_payments: dict[str, Fields] = {}
    try:
        for page in pagination.pages(client, URL, _open_params(waiting)) if waiting else ():
            open_payments |= {payment["id"]: payment for payment in page}
            missing -= open_payments.keys()
            if not missing or len(open_payments) >= MOST_PAGES * PAGE:
                break
    except StripeRefused:
        return open_payments
    return open_payments


def open_in(invoice: Fields) -> list[Fields]:
    """Payments of a listed invoice that are open and have a PaymentIntent."""
    listed = invoice.get("payments")
    payments = listed.get("data") if isinstance(listed, dict) else None
    return [each for each in payments or () if isinstance(each, dict) and _is_open(each)]


def _is_open(payment: Fields) -> bool:
    paid_by = payment.get("payment")
    has_intent = isinstance(paid_by, dict) and isinstance(paid_by.get("payment_intent"), str)
    return payment.get("status") == OPEN and has_intent


def _open_params(invoices: Sequence[Fields]) -> reads.Params:
    """Parameters that list open payments which were created about when these invoices were."""
    times = [invoice["created"] for invoice in invoices]
    last = max(times) + int(FINALIZED_AFTER.total_seconds())
    return {
        "status": OPEN,
        "created": {"gte": min(times), "lte": last},
        "limit": PAGE,
        "expand": [f"data.{EXPAND}"],
    }
