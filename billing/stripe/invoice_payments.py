"""Payments of invoices at Stripe: which PaymentIntent settles which invoice.

An invoice that is listed brings its payments, and of their PaymentIntents only the ids: to expand
those too is a fifth level of expansion, and Stripe allows four. The PaymentIntent is needed only
while a payment is open, because its bank may have yet to answer. So the open payments of a page
of invoices are read from their own list.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from stripe import StripeClient

from billing.stripe import pagination
from billing.stripe.errors import StripeRefused
from billing.stripe.fields import PAGE, Fields, plain, reference

EXPAND = "payment.payment_intent"
OPEN = "open"
MOST_PAGES = 3
"""Pages of open payments that are read for one page of invoices; the rest is read one by one."""
FINALIZED_AFTER = timedelta(days=1)
"""Stripe makes the payment when it finalizes the invoice, an hour after a renewal makes it."""


def of_invoice(client: StripeClient, invoice_stripe_id: str) -> list[Fields]:
    """Every payment of an invoice, with its PaymentIntent."""
    listed = client.v1.invoice_payments.list(
        {"invoice": invoice_stripe_id, "limit": PAGE, "expand": [f"data.{EXPAND}"]}
    )
    return [plain(each) for each in listed.auto_paging_iter()]


def open_payments_of(client: StripeClient, invoices: Sequence[Fields]) -> dict[str, Fields]:
    """Open payments of these invoices by their ids, with their PaymentIntents.

    Asks at most ``MOST_PAGES`` times, and not at all when no payment is open. What it leaves out
    has to be read by :func:`of_invoice`.
    """
    waiting = [invoice for invoice in invoices if open_in(invoice)]
    missing = {reference(each) for invoice in waiting for each in open_in(invoice)}
    found: dict[str, Fields] = {}
    try:
        for page in pagination.pages(lambda: _listed(client, waiting)) if waiting else ():
            found |= {payment["id"]: payment for payment in map(plain, page)}
            missing -= found.keys()
            if not missing or len(found) >= MOST_PAGES * PAGE:
                break
    except StripeRefused:
        return found
    return found


def open_in(invoice: Fields) -> list[Fields]:
    """Payments that came with a listed invoice, are open and wait for a PaymentIntent."""
    listed = invoice.get("payments")
    payments = listed.get("data") if isinstance(listed, dict) else None
    return [each for each in payments or () if isinstance(each, dict) and _is_open(each)]


def _is_open(payment: Fields) -> bool:
    paid_by = payment.get("payment")
    has_intent = isinstance(paid_by, dict) and isinstance(paid_by.get("payment_intent"), str)
    return payment.get("status") == OPEN and has_intent


def _listed(client: StripeClient, invoices: Sequence[Fields]) -> Any:
    """The first page of open payments made about when these invoices were."""
    times = [invoice["created"] for invoice in invoices]
    last = max(times) + int(FINALIZED_AFTER.total_seconds())
    return client.v1.invoice_payments.list(
        {
            "status": OPEN,
            "created": {"gte": min(times), "lte": last},
            "limit": PAGE,
            "expand": [f"data.{EXPAND}"],
        }
    )
