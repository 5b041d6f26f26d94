"""Lines of a credit note, each with its share of discounts and taxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from sandbox.billing import pricing, taxes
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params
from sandbox.transaction import Transaction

KIND = "credit_note_line_item"


def build_for_amount(tx: Transaction, invoice: Object, amount: int) -> list[Object]:
    """One line with this total, including its share of the invoice's taxes."""
    share = _prorate(invoice["total_taxes"], amount, invoice["total"])
    net = amount - taxes.sum_exclusive(share)
    request = CreditNoteLineRequest(
        amount=net,
        tax_amounts=share,
        description="Credit",
        line_type="custom_line_item",
        quantity=1,
        unit_amount=net,
    )
    return [_build_line(tx, request)]


def read_lines(tx: Transaction, invoice: Object, line_params: list[Params]) -> list[Object]:
    """Read the ``lines`` parameter. Raises 400 for more than was billed."""
    lines = []
    for index, params in enumerate(line_params):
        param = f"lines[{index}]"
        for name in ("tax_amounts", "tax_rates"):
            if name in params:
                refuse_unsupported({f"{param}[{name}]": ""}, f"{param}[{name}]")
        reader = _build_custom if params["type"] == "custom_line_item" else _build_of_invoice
        lines.append(reader(tx, invoice, params, param))
    return lines


def sum_lines(lines: list[Object]) -> int:
    """Sum of the lines after discounts, with exclusive taxes."""
    return sum(
        line["amount"] - line["discount_amount"] + taxes.sum_exclusive(line["taxes"])
        for line in lines
    )


def _build_custom(tx: Transaction, invoice: Object, params: Params, param: str) -> Object:
    for name in ("description", "quantity"):
        if name not in params:
            raise missing_param(f"{param}[{name}]")
    if ("unit_amount" in params) == ("unit_amount_decimal" in params):
        raise missing_param(f"{param}[unit_amount]")
    name = "unit_amount" if "unit_amount" in params else "unit_amount_decimal"
    unit_amount = Decimal(params[name])
    request = CreditNoteLineRequest(
        amount=pricing.round_amount(unit_amount * params["quantity"]),
        tax_amounts=[],
        description=params["description"],
        line_type=params["type"],
        quantity=params["quantity"],
        unit_amount=int(unit_amount) if unit_amount == int(unit_amount) else None,
        unit_amount_decimal=str(unit_amount),
    )
    return _build_line(tx, request)


def _build_of_invoice(tx: Transaction, invoice: Object, params: Params, param: str) -> Object:
    if "invoice_line_item" not in params:
        raise missing_param(f"{param}[invoice_line_item]")
    id = params["invoice_line_item"]
    line = next((line for line in invoice["lines"]["data"] if line["id"] == id), None)
    if line is None:
        raise invalid(f"No such invoice line item: '{id}'", param=f"{param}[invoice_line_item]")
    amount = _read_amount(line, params, param)
    creditable = line["amount"] - _credited_amount(tx, id)
    if not 1 <= amount <= creditable:
        raise invalid(
            f"The amount of this line must be between 1 and {creditable}, which is what has not "
            "been credited yet.",
            param=f"{param}[amount]",
        )
    discount_amounts = _prorate(line["discount_amounts"], amount, line["amount"])
    request = CreditNoteLineRequest(
        amount=amount,
        tax_amounts=_prorate(line["taxes"], amount, line["amount"]),
        description=line["description"],
        line_type=params["type"],
        quantity=params.get("quantity"),
        discount_amounts=discount_amounts,
        invoice_line_item=id,
    )
    return _build_line(tx, request)


def _read_amount(line: Object, params: Params, param: str) -> int:
    """The line's ``amount``, or its price for ``quantity`` units."""
    if ("amount" in params) == ("quantity" in params):
        raise invalid(
            "You must provide exactly one of these parameters: amount, quantity.",
            param=f"{param}[amount]",
        )
    if "amount" in params:
        return int(params["amount"])
    billed = line["quantity"] or 1
    if not 1 <= params["quantity"] <= billed:
        raise invalid(f"The quantity must be between 1 and {billed}.", param=f"{param}[quantity]")
    return pricing.round_amount(Decimal(line["amount"]) * params["quantity"] / billed)


def _credited_amount(tx: Transaction, line: str) -> int:
    notes = tx.list_objects("credit_note", lambda note: note["status"] == "issued")
    return sum(
        int(each["amount"])
        for note in notes
        for each in note["lines"]["data"]
        if each.get("invoice_line_item") == line
    )


def _prorate(parts: list[Object], amount: int, whole: int) -> list[Object]:
    """Scale the amounts of taxes or discounts to a part of the whole amount."""

    def share(value: int | None) -> int | None:
        return None if value is None else pricing.round_amount(Decimal(value) * amount / whole)

    names = ("amount", "taxable_amount")
    return [
        {**part, **{name: share(part[name]) for name in names if name in part}} for part in parts
    ]


@dataclass(frozen=True, kw_only=True)
class CreditNoteLineRequest:
    """The fields of a new credit note line. ``amount`` is in minor units."""

    amount: int
    tax_amounts: list[Object]
    description: str | None
    line_type: str
    quantity: int | None
    unit_amount: int | None = None
    unit_amount_decimal: str | None = None
    discount_amounts: list[Object] = field(default_factory=list)
    invoice_line_item: str | None = None


def _build_line(tx: Transaction, request: CreditNoteLineRequest) -> Object:
    discounts, unit_amount = request.discount_amounts, request.unit_amount
    exact = request.unit_amount_decimal or (None if unit_amount is None else str(unit_amount))
    line: Object = {
        "id": tx.new_id("cnli"),
        "object": KIND,
        "amount": request.amount,
        "description": request.description,
        "discount_amount": sum(int(each["amount"]) for each in discounts),
        "discount_amounts": discounts,
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [{**each, "type": "discount"} for each in discounts],
        "quantity": request.quantity,
        "tax_rates": [],
        "taxes": request.tax_amounts,
        "type": request.line_type,
        "unit_amount": unit_amount,
        "unit_amount_decimal": exact,
    }
    if request.invoice_line_item:
        line["invoice_line_item"] = request.invoice_line_item
    return line
