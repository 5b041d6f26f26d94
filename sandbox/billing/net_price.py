"""Prices of an item after discounts: the billed amount, and the amount of a new charge."""

from __future__ import annotations

from decimal import Decimal

from sandbox.billing import discounts, pricing, subscription_items
from sandbox.objects import Object
from sandbox.transaction import Transaction


def billed_amount(tx: Transaction, item: Object, time: int) -> Decimal:
    """Price of a whole period, less the discounts of the item's last charge."""
    full = Decimal(pricing.price_amount(tx, item["price"], item.get("quantity")))
    last_charge = max(
        _list_charges(tx, item["id"], time), key=lambda charge: charge[0], default=None
    )
    if last_charge is None or not last_charge[2]:
        return full
    _, gross, discount = last_charge
    return full * (gross - discount) / gross


def compute_discounts(tx: Transaction, subscription: Object, item: Object) -> list[Object]:
    """Amounts that the current discounts take off a whole period of the item.

    ``once`` discounts are left for the next period.
    """
    ids = [
        id
        for id in (*discounts.list_active(tx, item), *discounts.list_active(tx, subscription))
        if discounts.find_terms(tx, id)["duration"] != "once"
    ]
    if not ids:
        return []
    all_items = subscription_items.list_items(subscription)
    amounts_by_discount = discounts.allocate(
        [
            discounts.DiscountableLine(
                pricing.price_amount(tx, each["price"], each.get("quantity")),
                each["price"]["product"],
                item=each["id"],
            )
            for each in all_items
        ],
        [discounts.find_terms(tx, id) for id in ids],
        subscription["currency"],
    )
    index = next(n for n, each in enumerate(all_items) if each["id"] == item["id"])
    return [
        {"amount": shares[index], "discount": id}
        for id, shares in zip(ids, amounts_by_discount, strict=True)
    ]


def find_credited_items(tx: Transaction, item: Object, time: int) -> Object | None:
    """``credited_items`` of a credit:

    the newest line that billed the item at ``moment``, or None.
    """
    billing_lines = tx.list_objects(
        "line_item", lambda line: _is_billing_line(line, item["id"], time)
    )
    if not billing_lines:
        return None
    newest = max(
        billing_lines, key=lambda line: int(tx.path_object("invoice", line["invoice"])["created"])
    )
    return {"invoice": newest["invoice"], "invoice_line_items": [newest["id"]]}


def _is_billing_line(line: Object, item: str, time: int) -> bool:
    details = line["parent"]["subscription_item_details"] or {}
    return bool(
        details.get("subscription_item") == item
        and line["amount"] >= 0
        and not details["proration_details"]["credited_items"]
        and line["period"]["start"] <= time < line["period"]["end"]
    )


def _list_charges(tx: Transaction, item: str, time: int) -> list[tuple[tuple[int, int], int, int]]:
    """Charges of the item at ``moment``: (order, amount before discounts, discount)."""
    charges = []
    for line in tx.list_objects("line_item", lambda line: _is_charge(line, item, time)):
        invoice = tx.get("invoice", line["invoice"])
        if invoice and invoice["status"] != "void":
            discount = sum(each["amount"] for each in line["discount_amounts"])
            charges.append(((int(invoice["created"]), 0), int(line["amount"]), discount))
    for pending in tx.list_objects(
        "invoiceitem", lambda body: _is_pending_charge(body, item, time)
    ):
        discount = _sum_discounts(pending)
        charges.append(((int(pending["date"]), 1), int(pending["amount"]) + discount, discount))
    return charges


def _sum_discounts(proration: Object) -> int:
    details = proration["proration_details"]["discount_amounts"]
    return sum(int(each["amount"]) for each in details)


def _is_charge(line: Object, item: str, time: int) -> bool:
    details = line["parent"]["subscription_item_details"] or {}
    return bool(
        details.get("subscription_item") == item
        and not details["proration"]
        and line["amount"] > 0
        and line["period"]["start"] <= time < line["period"]["end"]
    )


def _is_pending_charge(body: Object, item: str, time: int) -> bool:
    if body.get("deleted") or not body["proration"]:
        return False
    details = (body["parent"] or {}).get("subscription_details") or {}
    return bool(
        details.get("subscription_item") == item
        and body["amount"] + _sum_discounts(body) > 0
        and body["period"]["start"] <= time < body["period"]["end"]
    )
