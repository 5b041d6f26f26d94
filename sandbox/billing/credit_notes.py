"""Credit notes: reduce an open invoice, or pay back part of a paid one."""

from __future__ import annotations

from sandbox.billing import collection, credit_note_lines, customer_balance, invoices, taxes
from sandbox.errors import invalid
from sandbox.objects import Object, Params, merge_metadata
from sandbox.pagination import embed_list
from sandbox.resources import refunds
from sandbox.transaction import Transaction

KIND = "credit_note"
CREDITABLE_STATUSES = ("open", "paid", "uncollectible")
PAYOUT_PARAMS = ("credit_amount", "refund_amount", "out_of_band_amount")


def issue_note(tx: Transaction, params: Params) -> Object:
    """Issue a credit note.

    Raises 400 for more than is creditable, or payouts that do not sum up to the total.
    """
    invoice = tx.param_object("invoice", params["invoice"], param="invoice")
    if invoice["status"] not in CREDITABLE_STATUSES:
        raise invalid(
            f"Credit notes can be issued for open and paid invoices. This one is "
            f"{invoice['status']}.",
            param="invoice",
        )
    lines = _read_lines(tx, invoice, params)
    total = credit_note_lines.sum_lines(lines)
    _check_creditable(invoice, total)
    note = tx.insert(_build_note(tx, invoice, lines, params))
    for line in lines:
        tx.insert(line)
    merge_metadata(note, params.get("metadata"))
    if invoice["status"] == "paid":
        _pay_out(tx, note, invoice, params)
    elif any(name in params for name in (*PAYOUT_PARAMS, "refunds")):
        raise invalid(
            "Nothing has been paid on this invoice: it can only be reduced, without "
            "`credit_amount`, `refund_amount`, `refunds` or `out_of_band_amount`.",
        )
    tx.emit("credit_note.created", note)
    with tx.updating(invoice, "invoice.updated"):
        _apply_to_invoice(tx, invoice, note, total)
    if invoice["status"] != "paid" and invoice["amount_remaining"] == 0:
        invoices.cancel_payments(tx, invoice)
        collection.mark_paid(tx, invoice)
    return note


def void_note(tx: Transaction, note: Object) -> None:
    """Void a credit note of an open invoice. Raises 400 for any other."""
    invoice = tx.param_object("invoice", note["invoice"], param="invoice")
    if note["status"] == "void" or invoice["status"] != "open":
        raise invalid(
            "You can only void credit notes of open invoices, once. This invoice is "
            f"{invoice['status']}, and the credit note {note['status']}."
        )
    with tx.updating(invoice, "invoice.updated"):
        _apply_to_invoice(tx, invoice, note, -note["total"])
    note |= {"status": "void", "voided_at": tx.now}
    tx.emit("credit_note.voided", note)


def _read_lines(tx: Transaction, invoice: Object, params: Params) -> list[Object]:
    if ("amount" in params) == ("lines" in params):
        raise invalid("You must provide exactly one of these parameters: amount, lines.")
    if "lines" in params:
        return credit_note_lines.read_lines(tx, invoice, params["lines"])
    if params["amount"] < 1:
        raise invalid("Invalid positive integer", param="amount")
    _check_creditable(invoice, params["amount"])
    return credit_note_lines.build_for_amount(tx, invoice, params["amount"])


def _check_creditable(invoice: Object, total: int) -> None:
    creditable = invoice["amount_remaining"]
    if invoice["status"] == "paid":
        used = "pre_payment_credit_notes_amount", "post_payment_credit_notes_amount"
        creditable = invoice["total"] - sum(invoice[name] for name in used)
    if total > creditable:
        raise invalid(
            f"The sum of credit notes exceeds what can be credited on this invoice: {creditable} "
            f"{invoice['currency']} are left.",
            param="amount",
        )


def _pay_out(tx: Transaction, note: Object, invoice: Object, params: Params) -> None:
    """Refund, credit to the balance, or record out of band. The sum must equal the total."""
    refund_entries = [_read_refund(tx, invoice, each) for each in params.get("refunds", [])]
    paid_out = sum(params.get(name, 0) for name in PAYOUT_PARAMS)
    paid_out += sum(each["amount_refunded"] for each in refund_entries)
    if paid_out != note["total"] or any(params.get(name, 0) < 0 for name in PAYOUT_PARAMS):
        raise invalid(
            "The sum of credit_amount, refund_amount, refunds and out_of_band_amount "
            f"({paid_out}) must equal the credit note amount ({note['total']}).",
        )
    if amount := params.get("refund_amount"):
        refund_entries.append(_create_refund(tx, invoice, amount))
    note["refunds"] = refund_entries
    if amount := params.get("credit_amount"):
        customer = tx.param_object("customer", invoice["customer"], param="invoice")
        entry = customer_balance.change_balance(
            tx,
            customer,
            -amount,
            currency=note["currency"],
            transaction_type="credit_note",
            invoice=invoice["id"],
            credit_note=note["id"],
        )
        note["customer_balance_transaction"] = entry["id"]


def _create_refund(tx: Transaction, invoice: Object, amount: int) -> Object:
    intent = invoices.find_intent(tx, invoice)
    if intent is None or intent["status"] != "succeeded":
        raise invalid("This invoice has no payment that could be refunded.", param="refund_amount")
    refund = refunds.create(tx, {"payment_intent": intent["id"], "amount": amount})
    return _refund_entry(refund["id"], amount)


def _read_refund(tx: Transaction, invoice: Object, params: Params) -> Object:
    if params.get("type", "refund") != "refund" or "refund" not in params:
        raise invalid("The sandbox knows refunds of type `refund` only.", param="refunds")
    refund = tx.param_object("refund", params["refund"], param="refunds[0][refund]")
    intent = invoices.find_intent(tx, invoice)
    if intent is None or refund["payment_intent"] != intent["id"]:
        raise invalid("This refund is not of a payment of the invoice.", param="refunds")
    amount: int = params.get("amount_refunded") or refund["amount"]
    return _refund_entry(refund["id"], amount)


def _refund_entry(refund: str, amount: int) -> Object:
    return {
        "amount_refunded": amount,
        "payment_record_refund": None,
        "refund": refund,
        "type": "refund",
    }


def _apply_to_invoice(tx: Transaction, invoice: Object, note: Object, amount: int) -> None:
    """Change the invoice's credited amounts; a negative amount reverses a credit note."""
    if note["type"] == "post_payment":
        invoice["post_payment_credit_notes_amount"] += amount
        return
    invoice["pre_payment_credit_notes_amount"] += amount
    invoice["amount_due"] -= amount
    invoice["amount_remaining"] -= amount
    intent = invoices.find_intent(tx, invoice)
    if intent and invoice["amount_remaining"] and intent["status"] not in ("succeeded", "canceled"):
        intent["amount"] = invoice["amount_remaining"]


def _build_note(tx: Transaction, invoice: Object, lines: list[Object], params: Params) -> Object:
    id, total = tx.new_id("cn"), credit_note_lines.sum_lines(lines)
    tax_amounts = taxes.merge_taxes(lines)
    earlier_notes = len(tx.list_ids(KIND, lambda note: note["invoice"] == invoice["id"]))
    is_paid = invoice["status"] == "paid"
    discount_amounts = [each for line in lines for each in line["discount_amounts"]]
    discount = sum(line["discount_amount"] for line in lines)
    subtotal = sum(line["amount"] for line in lines)
    return {
        "id": id,
        "object": KIND,
        "amount": total,
        "amount_shipping": 0,
        "created": tx.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": discount,
        "discount_amounts": discount_amounts,
        "effective_at": params.get("effective_at", tx.now),
        "invoice": invoice["id"],
        "lines": embed_list(lines, url=f"/v1/credit_notes/{id}/lines", limit=100),
        "livemode": False,
        "memo": params.get("memo"),
        "metadata": {},
        "number": f"{invoice['number']}-CN-{earlier_notes + 1:02d}",
        "out_of_band_amount": params.get("out_of_band_amount"),
        "pdf": f"{tx.world.base_url}/pages/invoices/{invoice['id']}/pdf",
        "post_payment_amount": total if is_paid else 0,
        "pre_payment_amount": 0 if is_paid else total,
        "pretax_credit_amounts": [{**each, "type": "discount"} for each in discount_amounts],
        "reason": params.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - taxes.sum_inclusive(tax_amounts),
        "total": total,
        "total_excluding_tax": total - sum(int(each["amount"]) for each in tax_amounts),
        "total_taxes": tax_amounts,
        "type": "post_payment" if is_paid else "pre_payment",
        "voided_at": None,
    }
