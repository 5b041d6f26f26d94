"""Invoices at Stripe, with their lines, their payments and their credit notes."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from stripe import StripeClient

from billing.stripe import invoice_payments, pagination, reads, subscriptions
from billing.stripe.errors import translate
from billing.stripe.fields import (
    Fields,
    common,
    instant,
    moment,
    page,
    reference,
    text,
)
from billing.stripe.snapshots import (
    CreditNoteSnapshot,
    InvoiceDiscountSnapshot,
    InvoiceLineSnapshot,
    InvoicePaymentSnapshot,
    InvoiceSnapshot,
    SubscriptionSnapshot,
    TaxSnapshot,
    UnreadableObject,
)

URL, LINES_URL, NOTES_URL = "/v1/invoices", "/v1/invoices/{}/lines", "/v1/credit_notes"
DISCOUNT = "total_discount_amounts.discount"
EXPAND = (f"payments.data.{invoice_payments.EXPAND}", DISCOUNT)
SUBSCRIPTION = "parent.subscription_details.subscription"
EXPAND_WITH_SUBSCRIPTION = (
    *EXPAND,
    SUBSCRIPTION,
    *(f"{SUBSCRIPTION}.{name}" for name in subscriptions.EXPAND),
)
EXPAND_LISTED = ("data.payments", f"data.{DISCOUNT}")
"""Stripe expands four levels, the ``data`` of a list included: see ``invoice_payments``."""
INCLUSIVE = "inclusive"
GRANTED = "credit_balance_transaction"
OPEN, PROCESSING = "open", "processing"


def snapshot(
    fields: Fields, lines: list[Fields], payments: list[Fields], credit_notes: list[Fields]
) -> InvoiceSnapshot:
    if fields.get("deleted"):
        return InvoiceSnapshot(stripe_id=fields["id"], deleted=True)
    times = fields["status_transitions"]
    return InvoiceSnapshot(
        **common(fields),
        **_amounts(fields),
        customer_stripe_id=reference(fields["customer"]),
        subscription_stripe_id=reference(_parent(fields, "subscription_details", "subscription")),
        number=text(fields["number"]),
        status=text(fields["status"]),
        billing_reason=text(fields["billing_reason"]),
        attempt_count=fields["attempt_count"],
        next_attempt_at=moment(fields["next_payment_attempt"]),
        hosted_url=text(fields["hosted_invoice_url"]),
        pdf_url=text(fields["invoice_pdf"]),
        issued_at=instant(fields["effective_at"] or fields["created"]),
        due_at=moment(fields["due_date"]),
        paid_at=moment(times["paid_at"]),
        payments=tuple(_payment(payment) for payment in payments),
        credit_notes=tuple(_credit_note(note) for note in credit_notes),
        lines=tuple(_line(line) for line in lines),
    )


def retrieve(client: StripeClient, stripe_id: str) -> InvoiceSnapshot:
    """Read the invoice from Stripe. Raises StripeObjectMissing, also for a deleted draft."""
    with translate():
        params = {"expand": [*EXPAND]}
        return _complete(client, reads.get_named(client, URL, "invoice", stripe_id, params))


def retrieve_with_subscription(
    client: StripeClient, stripe_id: str
) -> tuple[InvoiceSnapshot, SubscriptionSnapshot | None]:
    """Read the invoice and the subscription that it bills with one request; None if it bills none.

    Raises StripeObjectMissing.
    """
    with translate():
        params = {"expand": [*EXPAND_WITH_SUBSCRIPTION]}
        fields = reads.get_named(client, URL, "invoice", stripe_id, params)
        subscription = _parent(fields, "subscription_details", "subscription")
        billed = subscriptions.complete(client, subscription) if subscription else None
        return _complete(client, fields), billed


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[InvoiceSnapshot | UnreadableObject]:
    """Every invoice of the account, newest first."""
    params = page(after, expand=[*EXPAND_LISTED])
    for invoices in pagination.pages(client, URL, params):
        with translate():
            open_payments = invoice_payments.open_payments_of(client, invoices)
        yield from pagination.read_page(invoices, partial(_complete_listed, client, open_payments))


def _amounts(fields: Fields) -> dict[str, Any]:
    taxes = fields["total_taxes"] or []
    return {
        "currency": text(fields["currency"]),
        "subtotal": fields["subtotal"],
        "discount": _sum(fields["total_discount_amounts"]),
        "billing_credits": _granted(fields.get("total_pretax_credit_amounts")),
        "tax": _sum(taxes),
        "total": fields["total"],
        "amount_due": fields["amount_due"],
        "amount_paid": fields["amount_paid"],
        "amount_remaining": fields["amount_remaining"],
        "amount_credited": _credited(fields),
        "taxes": tuple(_tax(each) for each in taxes),
        "discounts": tuple(_discount(each) for each in fields["total_discount_amounts"] or []),
    }


def _sum(amounts: list[Fields] | None) -> int:
    return sum(each["amount"] for each in amounts or ())


def _granted(amounts: list[Fields] | None) -> int:
    """Amount taken off by Stripe's credit grants; the list also has discounts, which are counted
    apart."""
    return _sum([each for each in amounts or () if each["type"] == GRANTED])


def _credited(fields: Fields) -> int:
    before = fields["pre_payment_credit_notes_amount"]
    after = fields["post_payment_credit_notes_amount"]
    return int(before + after)


def _tax(fields: Fields) -> TaxSnapshot:
    return TaxSnapshot(
        amount=fields["amount"],
        is_inclusive=fields.get("tax_behavior") == INCLUSIVE,
        taxable_amount=fields.get("taxable_amount"),
    )


def _discount(fields: Fields) -> InvoiceDiscountSnapshot:
    discount = fields.get("discount")
    discount = discount if isinstance(discount, dict) else {}
    return InvoiceDiscountSnapshot(
        amount=fields["amount"],
        coupon_stripe_id=reference((discount.get("source") or {}).get("coupon")),
        promotion_code_stripe_id=reference(discount.get("promotion_code")),
    )


def _parent(fields: Fields, detail: str, name: str) -> Any:
    """A field of ``parent.<detail>``, which says what an object was created for."""
    return ((fields["parent"] or {}).get(detail) or {}).get(name)


def _payment(fields: Fields) -> InvoicePaymentSnapshot:
    intent = fields["payment"].get("payment_intent")
    status = text(fields["status"])
    is_processing = isinstance(intent, dict) and intent.get("status") == PROCESSING
    return InvoicePaymentSnapshot(
        stripe_id=fields["id"],
        payment_stripe_id=reference(intent),
        status=PROCESSING if status == OPEN and is_processing else status,
        currency=text(fields["currency"]),
        amount_requested=fields["amount_requested"],
        amount_paid=fields["amount_paid"] or 0,
    )


def _credit_note(fields: Fields) -> CreditNoteSnapshot:
    return CreditNoteSnapshot(
        stripe_id=fields["id"],
        number=text(fields["number"]),
        status=text(fields["status"]),
        reason=text(fields.get("reason")),
        currency=text(fields["currency"]),
        amount=fields["total"],
        issued_at=instant(fields["effective_at"] or fields["created"]),
    )


def _line(fields: Fields) -> InvoiceLineSnapshot:
    pricing = (fields.get("pricing") or {}).get("price_details") or {}
    taxes = fields.get("taxes") or []
    period = fields["period"]
    return InvoiceLineSnapshot(
        stripe_id=fields["id"],
        description=text(fields.get("description")),
        price_stripe_id=reference(pricing.get("price")),
        quantity=fields.get("quantity"),
        amount=fields["amount"],
        discount=_sum(fields.get("discount_amounts")),
        billing_credits=_granted(fields.get("pretax_credit_amounts")),
        tax=_sum([tax for tax in taxes if tax.get("tax_behavior") != INCLUSIVE]),
        currency=text(fields.get("currency")),
        is_proration=bool(
            _parent(fields, "subscription_item_details", "proration")
            or _parent(fields, "invoice_item_details", "proration")
        ),
        is_credit=fields["amount"] < 0 or _is_credit(fields),
        period_start=instant(period["start"]),
        period_end=instant(period["end"]),
    )


def _is_credit(fields: Fields) -> bool:
    """Whether the line is a credit proration. Those name the lines that they credit, even at amount
    0."""
    details = (
        _parent(fields, "subscription_item_details", "proration_details")
        or _parent(fields, "invoice_item_details", "proration_details")
        or {}
    )
    return bool(details.get("credited_items"))


def _complete(client: StripeClient, fields: Fields) -> InvoiceSnapshot:
    """The invoice with all of its lines, payments and credit notes.

    More than one page of lines or payments, and credit notes, are read with requests of their own.
    """
    if fields.get("deleted"):
        return snapshot(fields, [], [], [])
    return snapshot(
        fields, _lines(client, fields), _payments(client, fields), _notes(client, fields)
    )


def _complete_listed(
    client: StripeClient, open_payments: dict[str, Fields], fields: Fields
) -> InvoiceSnapshot:
    """The complete invoice, from one whose payments name their PaymentIntents by id only."""
    waiting = [payment["id"] for payment in invoice_payments.open_in(fields)]
    if not all(stripe_id in open_payments for stripe_id in waiting):
        payments = invoice_payments.of_invoice(client, fields["id"])
        fields["payments"] = {"data": payments, "has_more": False}
    elif waiting:
        listed = fields["payments"]
        listed["data"] = [open_payments.get(each["id"], each) for each in listed["data"]]
    return _complete(client, fields)


def _lines(client: StripeClient, fields: Fields) -> list[Fields]:
    listed = fields["lines"]
    if not listed["has_more"]:
        return list(listed["data"])
    return pagination.all_of(client, reads.path(LINES_URL, fields["id"]), {})


def _payments(client: StripeClient, fields: Fields) -> list[Fields]:
    listed = fields["payments"]
    if not listed["has_more"]:
        return list(listed["data"])
    return invoice_payments.of_invoice(client, fields["id"])


def _notes(client: StripeClient, fields: Fields) -> list[Fields]:
    if not _credited(fields):
        return []
    return pagination.all_of(client, NOTES_URL, {"invoice": fields["id"]})
