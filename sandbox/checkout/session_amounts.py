"""Amounts of a session: lines, discounts and taxes.

The lines are ordered as in the subscription's invoice.
"""

from __future__ import annotations

from sandbox.billing import discounts, taxes
from sandbox.billing.discounts import DiscountableLine, DiscountChoice
from sandbox.checkout import line_items, session_records
from sandbox.checkout.line_items import is_recurring
from sandbox.objects import Object
from sandbox.resources import coupons
from sandbox.transaction import Transaction


def compute_amounts(tx: Transaction, session: Object) -> None:
    """Compute all amounts of the session. Raises 400 for a total that cannot be charged."""
    items = sorted(session_records.list_items(tx, session), key=lambda item: not is_recurring(item))
    _apply_discounts(tx, session, items)
    _apply_taxes(tx, session, items)
    total = sum(item["amount_total"] for item in items)
    session |= {
        "amount_subtotal": sum(item["amount_subtotal"] for item in items),
        "amount_total": total,
        "payment_status": "unpaid" if total else "no_payment_required",
    }
    for name in ("amount_discount", "amount_tax"):
        session["total_details"][name] = sum(item[name] for item in items)
    line_items.check_total(total, session["currency"])


def list_discount_choices(tx: Transaction, session: Object) -> list[DiscountChoice]:
    """The session's discounts, ready to be redeemed."""
    discount_choices = []
    for discount in session["discounts"]:
        if code := discount["promotion_code"]:
            promotion_code = tx.param_object("promotion_code", code, param="discounts")
            discount_choices.append(
                DiscountChoice(
                    _find_coupon(tx, promotion_code["promotion"]["coupon"]), promotion_code
                )
            )
        else:
            discount_choices.append(DiscountChoice(_find_coupon(tx, discount["coupon"])))
    return discount_choices


def find_tax_address(tx: Transaction, session: Object) -> tuple[Object | None, str]:
    """The buyer's tax address, if known, and their ``tax_exempt``."""
    record = session_records.find_record(tx, session)
    typed_address: Object | None = record["address"]
    if not session["customer"]:
        return typed_address, "none"
    customer = tx.param_object("customer", session["customer"], param="customer")
    if typed_address and record["customer_update"].get("address") == "auto":
        return taxes.find_location({**customer, "address": typed_address}), customer["tax_exempt"]
    return taxes.find_location(customer), customer["tax_exempt"]


def _apply_taxes(tx: Transaction, session: Object, items: list[Object]) -> None:
    address, exempt = None, "none"
    if session["automatic_tax"]["enabled"]:
        address, exempt = find_tax_address(tx, session)
        status = "complete" if address else "requires_location_inputs"
        session["automatic_tax"]["status"] = status
    for item in items:
        net = item["amount_subtotal"] - item["amount_discount"]
        behavior = item["price"]["tax_behavior"]
        item_taxes = taxes.compute_automatic_tax(
            tx, net, behavior=behavior, address=address, exempt=exempt
        )
        item["amount_tax"] = sum(each["amount"] for each in item_taxes)
        item["amount_total"] = net + taxes.sum_exclusive(item_taxes)


def _find_coupon(tx: Transaction, object_id: str) -> Object:
    return tx.param_object("coupon", object_id, param="discounts")


def _apply_discounts(tx: Transaction, session: Object, items: list[Object]) -> None:
    terms = [
        coupons.read_terms(tx, choice.coupon)
        for choice in list_discount_choices(tx, session)
        if choice.coupon
    ]
    discountable_lines = [
        DiscountableLine(item["amount_subtotal"], item["price"]["product"]) for item in items
    ]
    amounts_by_discount = discounts.allocate(discountable_lines, terms, session["currency"])
    for index, item in enumerate(items):
        item["amount_discount"] = sum(shares[index] for shares in amounts_by_discount)
