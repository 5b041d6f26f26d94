"""Subscription items: the prices of a subscription, each with its own period."""

from __future__ import annotations

from typing import Any

from sandbox.billing import discounts, pricing
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, copy, merge_metadata
from sandbox.resources import prices, tax_rates
from sandbox.transaction import Transaction

MAX_ITEMS = 20
UNSUPPORTED = ("billing_thresholds", "current_trial")


def read_items(tx: Transaction, item_params: list[Params], *, customer: str) -> list[Object]:
    """Read the ``items`` parameter into items without a period. Raises 400 with Stripe's text."""
    if not item_params:
        raise missing_param("items")
    if len(item_params) > MAX_ITEMS:
        raise invalid(f"Subscriptions can have up to {MAX_ITEMS} items.", param="items")
    items = [
        read_item(tx, params, f"items[{index}]", customer=customer)
        for index, params in enumerate(item_params)
    ]
    check_together(items)
    return items


def read_item(tx: Transaction, params: Params, param: str, *, customer: str) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    price = read_recurring_price(tx, params, param)
    item = build_item(tx, price, read_quantity(price, params, param), params.get("metadata"))
    set_discounts_and_taxes(tx, item, params, param, customer=customer)
    return item


def set_discounts_and_taxes(
    tx: Transaction, item: Object, params: Params, param: str, *, customer: str
) -> None:
    """Apply the item's discounts and tax rates, if they were sent."""
    if "tax_rates" in params:
        rates = params["tax_rates"]
        item["tax_rates"] = tax_rates.resolve_rates(tx, rates, param=f"{param}[tax_rates]")
    if "discounts" in params:
        choices = discounts.read_choices(
            tx, params["discounts"], customer=customer, param=f"{param}[discounts]"
        )
        discounts.replace_discounts(tx, item, choices, customer=customer)


def read_recurring_price(tx: Transaction, params: Params, param: str) -> Object:
    """Read the price of an item. Raises 400 if it is inactive or not recurring."""
    price_params = [name for name in ("price", "price_data", "plan") if name in params]
    if not price_params:
        raise missing_param(f"{param}[price]")
    if len(price_params) > 1:
        raise invalid(f"You may only specify one of these parameters: {', '.join(price_params)}.")
    name = price_params[0]
    if name == "price_data":
        return prices.create(tx, params["price_data"])
    price = tx.param_object("price", params[name], param=f"{param}[{name}]")
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.",
            param=f"{param}[{name}]",
        )
    if not pricing.is_recurring(price):
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices "
            "with `type=recurring`.",
            param=f"{param}[{name}]",
        )
    return price


def read_quantity(price: Object, params: Params, param: str) -> int | None:
    """Read the quantity. None for a metered price, which bills usage."""
    if not pricing.is_metered(price):
        quantity: int = params.get("quantity", 1)
        if quantity < 0:
            raise invalid(
                "This value must be greater than or equal to 0.",
                param=f"{param}[quantity]",
                code="parameter_invalid_integer",
            )
        return quantity
    if "quantity" in params:
        raise invalid(
            "You cannot set the quantity for metered plans. Remove the `quantity` parameter.",
            param=f"{param}[quantity]",
        )
    return None


def check_together(items: list[Object]) -> None:
    """Raise 400 for duplicate prices or different currencies."""
    ids = [item["price"]["id"] for item in items]
    if len(set(ids)) < len(ids):
        raise invalid(
            "Cannot add multiple subscription items with the same price. Use `quantity` instead.",
            param="items",
        )
    currencies = {item["price"]["currency"] for item in items}
    if len(currencies) > 1:
        raise invalid(
            "All prices on a subscription must use the same currency; these use "
            f"{' and '.join(sorted(currencies))}.",
            param="items",
        )


def build_item(
    tx: Transaction,
    price: Object,
    quantity: int | None,
    metadata: Any,
    *,
    item_id: str | None = None,
) -> Object:
    item: Object = {
        "id": item_id or tx.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": tx.now,
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": {},
        "plan": pricing.build_plan(price),
        "price": copy(price),
        "subscription": None,
        "tax_rates": [],
    }
    if quantity is not None:
        item["quantity"] = quantity
    merge_metadata(item, metadata)
    return item


def list_items(subscription: Object) -> list[Object]:
    items: list[Object] = subscription["items"]["data"]
    return items


def set_price(item: Object, price: Object) -> None:
    item |= {"price": copy(price), "plan": pricing.build_plan(price)}


def refresh_prices(tx: Transaction, subscription: Object) -> Object:
    """Replace the items' copies of prices by the current prices."""
    for item in list_items(subscription):
        price = tx.get("price", item["price"]["id"])
        if price and not price.get("deleted"):
            set_price(item, price)
    return subscription
