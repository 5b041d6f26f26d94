"""The pages of ``hosted_invoice_url`` and ``invoice_pdf``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from sandbox import buyer, money
from sandbox.billing import taxes
from sandbox.objects import Object
from sandbox.pages import pdf
from sandbox.pages.rendering import format_day, render_page

if TYPE_CHECKING:
    from sandbox.world import World


def show(world: World, request: Request, object_id: str) -> Response:
    invoice = _find_finalized(world, object_id)
    return render_page("invoice.html", invoice=invoice, sums=_amount_rows(invoice))


def download(world: World, request: Request, object_id: str) -> Response:
    invoice = _find_finalized(world, object_id)
    headers = {"Content-Disposition": f'attachment; filename="Invoice-{invoice["number"]}.pdf"'}
    return Response(
        pdf.build_document(_text_lines(invoice)), headers=headers, content_type="application/pdf"
    )


def _find_finalized(world: World, object_id: str) -> Object:
    """The invoice, if it is finalized. Raises ``NotFound`` for a draft."""
    with buyer.object_transaction(world, "invoice", object_id) as tx:
        invoice = tx.path_object("invoice", object_id)
    if invoice["number"] is None:
        raise NotFound
    return invoice


def _text_lines(invoice: Object) -> list[str]:
    currency = invoice["currency"]
    lines = [f"Invoice {invoice['number']}", f"From {invoice['account_name']}"]
    if invoice["customer_email"]:
        lines.append(f"To {invoice['customer_email']}")
    lines += [f"Issued {format_day(invoice['status_transitions']['finalized_at'])}", ""]
    lines += [
        f"{line['description']}    {money.format_amount(line['amount'], currency)}"
        for line in invoice["lines"]["data"]
    ]
    sums = [
        f"{name}    {money.format_amount(amount, currency)}"
        for name, amount in _amount_rows(invoice)
    ]
    return [*lines, "", *sums, f"Status    {invoice['status']}"]


def _amount_rows(invoice: Object) -> list[tuple[str, int]]:
    """Rows below the lines. Rows with 0 are left out, except total, paid and due."""
    discount = sum(each["amount"] for each in invoice["total_discount_amounts"])
    credited = invoice["pre_payment_credit_notes_amount"]
    reductions = [
        ("Discount", -discount),
        ("Tax", taxes.sum_exclusive(invoice["total_taxes"])),
    ]
    settlements = [
        ("Balance applied", invoice["amount_due"] + credited - invoice["total"]),
        ("Credit notes", -credited),
    ]
    rows = [("Subtotal", invoice["subtotal"])] if any(amount for _, amount in reductions) else []
    rows += [(name, amount) for name, amount in reductions if amount]
    rows += [("Total", invoice["total"])]
    included = taxes.sum_inclusive(invoice["total_taxes"])
    rows += [("Tax included", included)] if included else []
    rows += [(name, amount) for name, amount in settlements if amount]
    refunded = invoice["post_payment_credit_notes_amount"]
    rows += [("Paid", invoice["amount_paid"])]
    rows += [("Credited afterwards", refunded)] if refunded else []
    return [*rows, ("Due", invoice["amount_remaining"])]
