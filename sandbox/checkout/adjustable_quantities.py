"""Adjustable quantities: the buyer changes them on the page."""

from __future__ import annotations

from sandbox.billing import pricing
from sandbox.checkout import session_amounts, session_records
from sandbox.objects import Object
from sandbox.transaction import Transaction


def apply_quantities(tx: Transaction, session: Object, form_fields: dict[str, str]) -> bool:
    """Apply ``quantity-<li_…>`` fields within their limits. Returns whether the order changed.

    Raises 400 for a total that cannot be charged.
    """
    changed = False
    for item in session_records.list_items(tx, session):
        text = form_fields.get(f"quantity-{item['id']}", "")
        limits = item["adjustable_quantity"]
        if not limits or not text.isdecimal() or len(text) > 9:
            continue
        quantity = min(max(int(text), limits["minimum"], 1), limits["maximum"])
        if quantity != item["quantity"]:
            _set_quantity(tx, session, item, quantity)
            changed = True
    return changed


def _set_quantity(tx: Transaction, session: Object, item: Object, quantity: int) -> None:
    """Set the quantity. The amount of a line that is free today stays 0."""
    was_free = item["amount_subtotal"] == 0
    item["amount_subtotal"] = 0 if was_free else pricing.price_amount(tx, item["price"], quantity)
    item["quantity"] = quantity
    session_amounts.compute_amounts(tx, session)
