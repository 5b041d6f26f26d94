"""Totals of an invoice: lines, discounts, billing credits, taxes and the customer's balance."""

from __future__ import annotations

from sandbox.billing import credit_grants, discounts, pricing, taxes
from sandbox.currencies import MINIMUM_CHARGE
from sandbox.objects import Object, copy
from sandbox.transaction import Transaction


def compute_totals(tx: Transaction, invoice: Object, *, uses_credits: bool = False) -> None:
    """Compute the amounts of all lines and the invoice's totals, without the balance.

    ``uses_credits``: the invoice becomes final and uses the customer's billing credits.
    """
    lines: list[Object] = invoice["lines"]["data"]
    _apply_discounts(tx, invoice, lines)
    if uses_credits:
        metered = [(line, net_amount(line)) for line in lines if _is_metered(tx, line)]
        credit_grants.apply_credits(tx, invoice, metered)
    _apply_taxes(tx, invoice, lines)
    for line in lines:
        tx.insert(line)
    total_taxes = invoice["total_taxes"]
    subtotal = sum(line["amount"] for line in lines)
    credits = sum(each["amount"] for each in invoice["total_pretax_credit_amounts"])
    discounted = subtotal - credits
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - taxes.sum_inclusive(total_taxes),
        "total": discounted + taxes.sum_exclusive(total_taxes),
        "total_excluding_tax": discounted - taxes.sum_inclusive(total_taxes),
    }


def apply_balance(total: int, balance: int, currency: str) -> tuple[int, int]:
    """Amount due and new balance. Amounts too small to charge stay on the balance."""
    due = total + balance
    if due < MINIMUM_CHARGE.get(currency, 1):
        return 0, due
    return due, 0


def net_amount(line: Object) -> int:
    """The line's amount after discounts and billing credits."""
    return int(line["amount"]) - sum(int(each["amount"]) for each in line["pretax_credit_amounts"])


def _apply_discounts(tx: Transaction, invoice: Object, lines: list[Object]) -> None:
    of_items = list(dict.fromkeys(id for line in lines for id in line["discounts"]))
    ids: list[str] = [*of_items, *invoice["discounts"]]
    amounts_by_discount = discounts.allocate(
        [_discountable_line(line) for line in lines],
        [discounts.find_terms(tx, id) for id in ids],
        invoice["currency"],
    )
    for index, line in enumerate(lines):
        amounts = [
            {"amount": shares[index], "discount": id}
            for id, shares in zip(ids, amounts_by_discount, strict=True)
        ]
        line["discount_amounts"] = amounts
        line["pretax_credit_amounts"] = _as_pretax_credits(amounts)
    totals = [
        {"amount": sum(shares), "discount": id}
        for id, shares in zip(ids, amounts_by_discount, strict=True)
    ]
    invoice["total_discount_amounts"] = totals
    invoice["total_pretax_credit_amounts"] = _as_pretax_credits(totals)


def _apply_taxes(tx: Transaction, invoice: Object, lines: list[Object]) -> None:
    """Compute taxes with the customer's current address; without one there are none yet."""
    automatic = invoice["automatic_tax"]
    address, exempt = None, "none"
    if automatic["enabled"]:
        customer = tx.param_object("customer", invoice["customer"], param="customer")
        address, exempt = taxes.find_location(customer), customer["tax_exempt"]
        automatic["status"] = "complete" if address else "requires_location_inputs"
        invoice["customer_address"] = copy(customer["address"])
        invoice["customer_tax_exempt"] = exempt
    for line in lines:
        line["taxes"] = (
            taxes.compute_automatic_tax(
                tx,
                net_amount(line),
                behavior=_tax_behavior(tx, line),
                address=address,
                exempt=exempt,
            )
            if automatic["enabled"]
            else taxes.compute_by_rates(net_amount(line), _find_tax_rates(tx, invoice, line))
        )
    invoice["total_taxes"] = taxes.merge_taxes(lines)


def _find_tax_rates(tx: Transaction, invoice: Object, line: Object) -> list[Object]:
    """Tax rates of the line's subscription item, else the invoice's default tax rates."""
    details = line["parent"]["subscription_item_details"] or {}
    subscription = tx.get("subscription", details.get("subscription") or "")
    for item in subscription["items"]["data"] if subscription else ():
        if item["id"] == details["subscription_item"] and item["tax_rates"]:
            return list(item["tax_rates"])
    return list(invoice["default_tax_rates"])


def _is_metered(tx: Transaction, line: Object) -> bool:
    details = (line["pricing"] or {}).get("price_details") or {}
    price = tx.get("price", details.get("price", ""))
    return bool(price and not price.get("deleted") and pricing.is_metered(price))


def _tax_behavior(tx: Transaction, line: Object) -> str:
    details = (line["pricing"] or {}).get("price_details") or {}
    price = tx.get("price", details.get("price", ""))
    return str(price["tax_behavior"]) if price and not price.get("deleted") else "unspecified"


def _discountable_line(line: Object) -> discounts.DiscountableLine:
    details = (line["pricing"] or {}).get("price_details") or {}
    parent = line["parent"]["subscription_item_details"] or {}
    return discounts.DiscountableLine(
        line["amount"],
        details.get("product"),
        line["discountable"],
        item=parent.get("subscription_item"),
    )


def _as_pretax_credits(amounts: list[Object]) -> list[Object]:
    return [{**each, "type": "discount"} for each in amounts]
