"""``hosted_invoice_url`` and ``invoice_pdf``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from sandbox import buyer, money
from sandbox.billing import taxes
from sandbox.objects import Object
from sandbox.pages import pdf
from sandbox.pages.rendering import day, render

if TYPE_CHECKING:
    from sandbox.world import World


def show(world: World, request: Request, id: str) -> Response:
    invoice = _finalized(world, id)
    return render("invoice.html", invoice=invoice, sums=_sums(invoice))


def download(world: World, request: Request, id: str) -> Response:
    invoice = _finalized(world, id)
    headers = {"Content-Disposition": f'attachment; filename="Invoice-{invoice["number"]}.pdf"'}
    return Response(
        pdf.document(_written(invoice)), headers=headers, content_type="application/pdf"
    )


def _finalized(world: World, id: str) -> Object:
    """Raises ``NotFound`` for drafts: only finalized invoices have a page."""
    with buyer.at(world, "invoice", id) as tx:
        invoice = tx.path_object("invoice", id)
    if invoice["number"] is None:
        raise NotFound
    return invoice


def _written(invoice: Object) -> list[str]:
    currency = invoice["currency"]
    lines = [f"Invoice {invoice['number']}", f"From {invoice['account_name']}"]
    if invoice["customer_email"]:
        lines.append(f"To {invoice['customer_email']}")
    lines += [f"Issued {day(invoice['status_transitions']['finalized_at'])}", ""]
    lines += [
        f"{line['description']}    {money.written(line['amount'], currency)}"
        for line in invoice["lines"]["data"]
    ]
    sums = [f"{name}    {money.written(amount, currency)}" for name, amount in _sums(invoice)]
    return [*lines, "", *sums, f"Status    {invoice['status']}"]


def _sums(invoice: Object) -> list[tuple[str, int]]:
    """What stands below the lines; what is nothing is left out, but for total, paid and due."""
    off = sum(each["amount"] for each in invoice["total_discount_amounts"])
    credited = invoice["pre_payment_credit_notes_amount"]
    between = [
        ("Discount", -off),
        ("Tax", taxes.exclusive(invoice["total_taxes"])),
    ]
    after = [
        ("Balance applied", invoice["amount_due"] + credited - invoice["total"]),
        ("Credit notes", -credited),
    ]
    shown = [("Subtotal", invoice["subtotal"])] if any(amount for _, amount in between) else []
    shown += [(name, amount) for name, amount in between if amount]
    shown += [("Total", invoice["total"])]
    included = taxes.inclusive(invoice["total_taxes"])
    shown += [("Tax included", included)] if included else []
    shown += [(name, amount) for name, amount in after if amount]
    refunded = invoice["post_payment_credit_notes_amount"]
    shown += [("Paid", invoice["amount_paid"])]
    shown += [("Credited afterwards", refunded)] if refunded else []
    return [*shown, ("Due", invoice["amount_remaining"])]
