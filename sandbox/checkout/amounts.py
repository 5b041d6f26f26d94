"""What a session comes to: its lines, less discounts."""

from __future__ import annotations

from sandbox.billing import discounts
from sandbox.billing.discounts import Charge, Choice
from sandbox.checkout import line_items, records
from sandbox.objects import Object
from sandbox.resources import coupons
from sandbox.transaction import Transaction


def total_up(tx: Transaction, session: Object) -> None:
    """Work out every amount of the session. Raises 400 for a total that cannot be charged."""
    items = records.items_of(tx, session)
    _discount(tx, session, items)
    for item in items:
        item["amount_total"] = item["amount_subtotal"] - item["amount_discount"]
    total = sum(item["amount_total"] for item in items)
    session |= {
        "amount_subtotal": sum(item["amount_subtotal"] for item in items),
        "amount_total": total,
        "payment_status": "unpaid" if total else "no_payment_required",
    }
    session["total_details"]["amount_discount"] = sum(item["amount_discount"] for item in items)
    line_items.check_total(total, session["currency"])


def choices(tx: Transaction, session: Object) -> list[Choice]:
    """The session's discounts, as somebody would redeem them."""
    found = []
    for shown in session["discounts"]:
        if code := shown["promotion_code"]:
            promotion_code = tx.param_object("promotion_code", code, param="discounts")
            found.append(Choice(_coupon(tx, promotion_code["promotion"]["coupon"]), promotion_code))
        else:
            found.append(Choice(_coupon(tx, shown["coupon"])))
    return found


def _coupon(tx: Transaction, id: str) -> Object:
    return tx.param_object("coupon", id, param="discounts")


def _discount(tx: Transaction, session: Object, items: list[Object]) -> None:
    terms = [coupons.terms(tx, choice.coupon) for choice in choices(tx, session) if choice.coupon]
    charges = [Charge(item["amount_subtotal"], item["price"]["product"]) for item in items]
    taken = discounts.allocate(charges, terms, session["currency"])
    for place, item in enumerate(items):
        item["amount_discount"] = sum(shares[place] for shares in taken)
