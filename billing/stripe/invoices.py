"""Invoices at Stripe, with their lines and the payments that settle them."""

from collections.abc import Iterator
from typing import Any

from stripe import StripeClient

from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, instant, moment, plain, reference, text
from billing.stripe.snapshots import InvoiceLineSnapshot, InvoiceSnapshot

PAGE = 100
EXPAND = "payments"


def snapshot(fields: Fields, lines: list[Fields]) -> InvoiceSnapshot:
    if fields.get("deleted"):
        return InvoiceSnapshot(stripe_id=fields["id"], deleted=True)
    times = fields.get("status_transitions") or {}
    return InvoiceSnapshot(
        **common(fields),
        **_amounts(fields),
        customer_stripe_id=reference(fields.get("customer")),
        subscription_stripe_id=reference(_parent(fields, "subscription_details", "subscription")),
        number=text(fields.get("number")),
        status=text(fields.get("status")),
        billing_reason=text(fields.get("billing_reason")),
        attempt_count=fields.get("attempt_count") or 0,
        next_attempt_at=moment(fields.get("next_payment_attempt")),
        hosted_url=text(fields.get("hosted_invoice_url")),
        pdf_url=text(fields.get("invoice_pdf")),
        issued_at=instant(fields.get("effective_at") or fields["created"]),
        paid_at=moment(times.get("paid_at")),
        payment_stripe_ids=_payments(fields),
        lines=tuple(_line(line) for line in lines),
    )


def retrieve(client: StripeClient, stripe_id: str) -> InvoiceSnapshot:
    """What Stripe says now. Raises StripeObjectMissing (a deleted draft is missing too)."""
    with translate():
        invoice = client.v1.invoices.retrieve(stripe_id, {"expand": [EXPAND]})
        return _complete(client, plain(invoice))


def iterate(client: StripeClient) -> Iterator[InvoiceSnapshot]:
    """Every invoice of the account, newest first."""
    with translate():
        page = client.v1.invoices.list({"limit": PAGE, "expand": [f"data.{EXPAND}"]})
        for invoice in page.auto_paging_iter():
            yield _complete(client, plain(invoice))


def _amounts(fields: Fields) -> dict[str, Any]:
    return {
        "currency": text(fields.get("currency")),
        "subtotal": fields.get("subtotal") or 0,
        "tax": sum(tax["amount"] for tax in fields.get("total_taxes") or []),
        "total": fields.get("total") or 0,
        "amount_due": fields.get("amount_due") or 0,
        "amount_paid": fields.get("amount_paid") or 0,
    }


def _parent(fields: Fields, detail: str, name: str) -> Any:
    """A field of ``parent.<detail>``, where an object says what it was made for."""
    return ((fields.get("parent") or {}).get(detail) or {}).get(name)


def _payments(fields: Fields) -> tuple[str, ...]:
    listed = (fields.get("payments") or {}).get("data") or []
    found = (reference((each.get("payment") or {}).get("payment_intent")) for each in listed)
    return tuple(stripe_id for stripe_id in found if stripe_id)


def _line(fields: Fields) -> InvoiceLineSnapshot:
    pricing = (fields.get("pricing") or {}).get("price_details") or {}
    period = fields["period"]
    return InvoiceLineSnapshot(
        stripe_id=fields["id"],
        description=text(fields.get("description")),
        price_stripe_id=reference(pricing.get("price")),
        quantity=fields.get("quantity"),
        amount=fields["amount"],
        currency=text(fields.get("currency")),
        is_proration=bool(
            _parent(fields, "subscription_item_details", "proration")
            or _parent(fields, "invoice_item_details", "proration")
        ),
        period_start=instant(period["start"]),
        period_end=instant(period["end"]),
    )


def _complete(client: StripeClient, fields: Fields) -> InvoiceSnapshot:
    """With every line: the page that came along, or all of them when there are more."""
    listed = fields.get("lines") or {}
    lines = listed.get("data") or []
    if listed.get("has_more"):
        every = client.v1.invoices.line_items.list(fields["id"], {"limit": PAGE})
        lines = [plain(line) for line in every.auto_paging_iter()]
    return snapshot(fields, lines)
