"""Line items of a checkout session."""

from __future__ import annotations

from collections.abc import Callable

from sandbox import money
from sandbox.billing import pricing
from sandbox.currencies import MINIMUM_CHARGE, maximum_amount
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, copy, merge_metadata
from sandbox.resources import prices
from sandbox.transaction import Transaction

MAX_LINES = {"payment": 100, "subscription": 40}
MAX_PER_TYPE = 20
"""Maximum of recurring prices, and of one-time prices, in subscription mode."""


def read_line_items(tx: Transaction, params: Params) -> list[Object]:
    """Read ``line_items`` into ``item`` objects.

    Raises 400 for items that cannot be sold together.
    """
    mode, item_params = params["mode"], params["line_items"]
    if len(item_params) > MAX_LINES[mode]:
        raise invalid(
            f"You can only specify up to {MAX_LINES[mode]} line items in {mode} mode.",
            param="line_items",
        )
    items = [_read_one(tx, line, f"line_items[{n}]") for n, line in enumerate(item_params)]
    (_check_one_time if mode == "payment" else _check_recurring)(items)
    _check_currency(items, params.get("currency"))
    return items


def check_total(amount: int, currency: str) -> None:
    """Raise 400 for a total outside the limits of a charge; 0 is allowed."""
    minimum = MINIMUM_CHARGE.get(currency, 1)
    if 0 < amount < minimum:
        raise invalid(
            "The Checkout Session's total amount due must add up to at least "
            f"{money.format_amount(minimum, currency)} {currency}",
            code="amount_too_small",
        )
    if amount > (maximum := maximum_amount(currency)):
        raise invalid(
            "The Checkout Session's total amount due must be no more than "
            f"{money.format_amount(maximum, currency)} {currency}",
            code="amount_too_large",
        )


def is_recurring(item: Object) -> bool:
    return pricing.is_recurring(item["price"])


def _read_one(tx: Transaction, line: Params, param: str) -> Object:
    refuse_unsupported(line, "tax_rates")
    price = _read_price(tx, line, param)
    quantity = _read_quantity(price, line, param)
    amount = pricing.price_amount(tx, price, quantity)
    item: Object = {
        "id": tx.new_id("li"),
        "object": "item",
        "adjustable_quantity": _read_adjustable_quantity(line, quantity, param),
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": pricing.find_product_name(tx, price),
        "metadata": {},
        "price": copy(price),
        "quantity": quantity,
    }
    merge_metadata(item, line.get("metadata"))
    return tx.insert(item)


def _read_price(tx: Transaction, line: Params, param: str) -> Object:
    if "price" in line and "price_data" in line:
        raise invalid(
            "You may only specify one of these parameters: price, price_data.",
            param=f"{param}[price_data]",
        )
    if "price_data" in line:
        return prices.create(tx, line["price_data"])
    if "price" not in line:
        raise missing_param(f"{param}[price]")
    price = tx.param_object("price", line["price"], param=f"{param}[price]")
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.",
            param=f"{param}[price]",
        )
    product = tx.get("product", price["product"])
    if not product or product.get("deleted") or not product["active"]:
        raise invalid(
            f"Price `{price['id']}` is not available to be purchased because its product is not "
            "active.",
            param=f"{param}[price]",
        )
    if price["custom_unit_amount"]:
        raise invalid(
            "The sandbox's page does not let the buyer choose an amount.", param=f"{param}[price]"
        )
    return price


def _read_quantity(price: Object, line: Params, param: str) -> int | None:
    if pricing.is_metered(price):
        if "quantity" in line:
            raise invalid(
                "Quantity should not be specified where usage_type is `metered`. Remove "
                f"`quantity` from `{param}`",
                param=f"{param}[quantity]",
            )
        return None
    if "quantity" not in line:
        raise invalid(
            f"Quantity is required. Add `quantity` to `{param}`", param=f"{param}[quantity]"
        )
    quantity: int = line["quantity"]
    if not 1 <= quantity <= 999_999_999:
        raise invalid(
            "This value must be greater than or equal to 1.",
            param=f"{param}[quantity]",
            code="parameter_invalid_integer",
        )
    return quantity


def _read_adjustable_quantity(line: Params, quantity: int | None, param: str) -> Object | None:
    adjustable = line.get("adjustable_quantity")
    if not adjustable or not adjustable["enabled"]:
        return None
    minimum, maximum = adjustable.get("minimum", 0), adjustable.get("maximum", 99)
    if quantity is None or not minimum <= quantity <= maximum:
        raise invalid(
            f"The quantity must lie between the minimum ({minimum}) and the maximum ({maximum}).",
            param=f"{param}[adjustable_quantity]",
        )
    return {"enabled": True, "maximum": maximum, "minimum": minimum}


def _check_one_time(items: list[Object]) -> None:
    for index, item in enumerate(items):
        if is_recurring(item):
            raise invalid(
                "You specified `payment` mode but passed a recurring price. Either switch to "
                "`subscription` mode or use only one-time prices.",
                param=f"line_items[{index}]",
            )


def _check_recurring(items: list[Object]) -> None:
    if not any(is_recurring(item) for item in items):
        raise invalid(
            "You must provide at least one recurring price in `subscription` mode when using "
            "prices.",
            param="line_items",
        )
    _check_count(items, "recurring", is_recurring)
    _check_count(items, "one-time", lambda item: not is_recurring(item))
    recurring = [item["price"]["id"] for item in items if is_recurring(item)]
    if len(set(recurring)) < len(recurring):
        raise invalid(
            "You cannot use the same recurring price more than once. Use `quantity` instead.",
            param="line_items",
        )


def _check_count(items: list[Object], noun: str, counts: Callable[[Object], bool]) -> None:
    if sum(1 for item in items if counts(item)) > MAX_PER_TYPE:
        raise invalid(
            f"You can only specify up to {MAX_PER_TYPE} line items with {noun} prices.",
            param="line_items",
        )


def _check_currency(items: list[Object], currency: str | None) -> None:
    expected = currency.lower() if currency else items[0]["currency"]
    for index, item in enumerate(items):
        if item["currency"] != expected:
            raise invalid(
                f"The price specified only supports `{item['currency']}`. This doesn't match the "
                f"expected currency: `{expected}`.",
                param=f"line_items[{index}][price]",
            )
