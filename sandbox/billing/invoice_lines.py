"""Invoice lines, built before their invoice exists."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from sandbox import meter_usage
from sandbox.billing import discounts, pricing
from sandbox.objects import Object, copy
from sandbox.transaction import Transaction


def for_item(
    tx: Transaction, subscription: Object, item: Object, *, amount: int | None = None
) -> Object:
    """A line for the item's current period, at its full price or at ``amount``."""
    price = item["price"]
    if amount is None:
        amount = pricing.price_amount(tx, price, item.get("quantity"))
    period = {"start": item["current_period_start"], "end": item["current_period_end"]}
    return _build_subscription_line(
        subscription,
        item,
        amount=amount,
        period=period,
        description=_describe_price(tx, price, item.get("quantity")),
        invoice_item=None,
        discounts=discounts.list_active(tx, item),
    )


def for_usage(
    tx: Transaction, subscription: Object, item: Object, *, start: int, end: int
) -> Object:
    """A line for the usage of a metered item in ``[start, end)`` that is aggregated so far."""
    line = for_item(tx, subscription, item, amount=0)
    line["period"] = {"start": start, "end": end}
    _measure_usage(tx, line, item["price"], subscription["customer"])
    return line


def remeasure_usage(tx: Transaction, invoice: Object) -> None:
    """Update the usage of a draft's lines: events arrive late or are canceled."""
    trial_end = _find_trial_end(tx, invoice)
    for line in invoice["lines"]["data"]:
        details = (line["pricing"] or {}).get("price_details") or {}
        price = tx.get("price", details.get("price", ""))
        is_over = trial_end < line["period"]["end"] <= tx.now
        if price and not price.get("deleted") and pricing.is_metered(price) and is_over:
            _measure_usage(tx, line, price, invoice["customer"])


def for_trial(tx: Transaction, subscription: Object, item: Object) -> Object:
    line = for_item(tx, subscription, item, amount=0)
    name = pricing.find_product_name(tx, item["price"])
    return {**line, "description": f"Trial period for {name}"}


def for_invoice_item(tx: Transaction, invoice_item: Object) -> Object:
    """A line for a pending invoice item: a proration or an item added through the API."""
    details = (invoice_item["parent"] or {}).get("subscription_details") or {}
    if details.get("subscription_item"):
        parent = _subscription_parent(
            details["subscription"], details["subscription_item"], invoice_item
        )
    else:
        parent = _item_parent(details.get("subscription"), invoice_item)
    return {
        **_build_base(invoice_item["amount"], invoice_item["currency"]),
        "description": invoice_item["description"],
        "discountable": invoice_item["discountable"],
        "metadata": copy(invoice_item["metadata"]),
        "parent": parent,
        "period": copy(invoice_item["period"]),
        "pricing": copy(invoice_item["pricing"]),
        "quantity": invoice_item["quantity"],
        "quantity_decimal": str(invoice_item["quantity"]),
        "subscription": details.get("subscription"),
    }


def price_details(price: Object) -> Object:
    """The ``pricing`` hash of lines and invoice items."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def format_day(timestamp: int) -> str:
    """Format a date as in proration lines: ``21 Nov 2025``."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%d %b %Y").lstrip("0")


def _measure_usage(tx: Transaction, line: Object, price: Object, customer: str) -> None:
    period = line["period"]
    meter = price["recurring"]["meter"]
    used = meter_usage.sum_usage(tx, meter, customer, period["start"], period["end"])
    used = max(used, Decimal(0))
    amount = pricing.compute_cost(tx, price, used)
    line |= {
        "amount": amount,
        "description": _describe_price(tx, price, int(used)),
        "quantity": int(used),
        "quantity_decimal": format(used.normalize(), "f"),
        "subtotal": amount,
    }


def _find_trial_end(tx: Transaction, invoice: Object) -> int:
    """Trial end of the invoice's subscription; 0 without a trial."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    subscription = tx.get("subscription", details.get("subscription", ""))
    return int((subscription or {}).get("trial_end") or 0)


def _describe_price(tx: Transaction, price: Object, quantity: int | None) -> str:
    name = pricing.find_product_name(tx, price)
    count = "" if quantity is None else f"{quantity} × "
    return f"{count}{name} (at {pricing.format_price(price)})"


def _build_subscription_line(
    subscription: Object,
    item: Object,
    *,
    amount: int,
    period: Object,
    description: str,
    invoice_item: Object | None,
    discounts: list[str],
) -> Object:
    quantity = item.get("quantity", 0)
    return {
        **_build_base(amount, item["price"]["currency"]),
        "description": description,
        "discounts": discounts,
        "metadata": copy(subscription["metadata"]),
        "parent": _subscription_parent(subscription["id"], item["id"], invoice_item),
        "period": period,
        "pricing": price_details(item["price"]),
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription["id"],
    }


def _subscription_parent(subscription: str, item: str, invoice_item: Object | None) -> Object:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": invoice_item["id"] if invoice_item else None,
            "proration": bool(invoice_item and invoice_item["proration"]),
            "proration_details": {"credited_items": _credited_items(invoice_item)},
            "subscription": subscription,
            "subscription_item": item,
        },
        "type": "subscription_item_details",
    }


def _credited_items(invoice_item: Object | None) -> Object | None:
    """``credited_items`` of a credit proration: the lines that it credits in part."""
    details = (invoice_item or {}).get("proration_details") or {}
    return copy(details["credited_items"]) if details.get("credited_items") else None


def _item_parent(subscription: str | None, invoice_item: Object) -> Object:
    return {
        "invoice_item_details": {
            "invoice_item": invoice_item["id"],
            "proration": invoice_item["proration"],
            "proration_details": {"credited_items": None},
            "subscription": subscription,
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }


def _build_base(amount: int, currency: str) -> Object:
    return {
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "livemode": False,
        "pretax_credit_amounts": [],
        "subtotal": amount,
        "taxes": [],
    }
