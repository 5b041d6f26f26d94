"""``hosted_invoice_url`` and ``invoice_pdf``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from sandbox import buyer, money
from sandbox.objects import Object
from sandbox.pages import pdf
from sandbox.pages.rendering import day, render

if TYPE_CHECKING:
    from sandbox.world import World


def show(world: World, request: Request, id: str) -> Response:
    return render("invoice.html", invoice=_finalized(world, id))


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
    due = money.written(invoice["amount_remaining"], currency)
    total = money.written(invoice["total"], currency)
    return [*lines, "", f"Total    {total}", f"Due    {due}", f"Status    {invoice['status']}"]
