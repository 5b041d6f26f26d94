"""Amounts for a price and a quantity, and texts for prices."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from sandbox import money
from sandbox.objects import Object, copy
from sandbox.resources import prices
from sandbox.transaction import Transaction


def price_amount(tx: Transaction, price: Object, quantity: int | None) -> int:
    """Amount of one interval in minor units; 0 for a metered price."""
    return 0 if is_metered(price) else compute_cost(tx, price, Decimal(quantity or 0))


def compute_cost(tx: Transaction, price: Object, quantity: Decimal) -> int:
    """Amount for a quantity of any price, in minor units."""
    billed = _transform_quantity(price, quantity)
    if price["billing_scheme"] == "tiered":
        tiers = prices.list_tiers(tx, price) or []
        exact = (
            _volume_cost(tiers, billed)
            if price["tiers_mode"] == "volume"
            else _graduated_cost(tiers, billed)
        )
    else:
        exact = Decimal(price["unit_amount_decimal"] or 0) * billed
    return round_amount(exact)


def round_amount(exact: Decimal) -> int:
    """Round to the minor unit, halves away from zero."""
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def is_metered(price: Object) -> bool:
    return bool(price["recurring"]) and price["recurring"]["usage_type"] == "metered"


def is_recurring(price: Object) -> bool:
    return bool(price["type"] == "recurring")


def find_product_name(tx: Transaction, price: Object) -> str:
    product = tx.get("product", price["product"])
    return str(product["name"]) if product and not product.get("deleted") else price["product"]


def format_price(price: Object) -> str:
    """Format a price: ``$10.00

    month``, ``€5.00

    3 months``, ``$3.00``.
    """
    exact = price["unit_amount_decimal"]
    each = "tiered" if exact is None else money.format_amount(Decimal(exact), price["currency"])
    return f"{each} / {format_interval(price)}" if is_recurring(price) else each


def format_interval(price: Object) -> str:
    """Format an interval: ``month`` or ``3 months``."""
    recurring = price["recurring"]
    count = recurring["interval_count"]
    return recurring["interval"] if count == 1 else f"{count} {recurring['interval']}s"


def build_plan(price: Object) -> Object:
    """The ``plan`` object that subscription items still contain."""
    recurring = price["recurring"]
    same = ("active", "billing_scheme", "created", "currency", "id", "livemode", "nickname")
    return {
        **{name: price[name] for name in same},
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "metadata": copy(price["metadata"]),
        "meter": recurring["meter"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": copy(price["transform_quantity"]),
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }


def _transform_quantity(price: Object, quantity: Decimal) -> Decimal:
    """Apply ``transform_quantity``: the number of packages, rounded up or down."""
    package = price["transform_quantity"]
    if not package:
        return quantity
    size: int = package["divide_by"]
    whole, rest = divmod(quantity, size)
    return whole + (1 if rest and package["round"] == "up" else 0)


def _volume_cost(tiers: list[Object], quantity: Decimal) -> Decimal:
    """Volume tiers: all units have the price of the quantity's tier."""
    for tier in tiers:
        if tier["up_to"] is None or quantity <= tier["up_to"]:
            return _tier_amount(tier, quantity)
    return Decimal(0)


def _graduated_cost(tiers: list[Object], quantity: Decimal) -> Decimal:
    """Graduated tiers: each unit has the price of its own tier."""
    total, below = Decimal(0), Decimal(0)
    for tier in tiers:
        is_last = tier["up_to"] is None or quantity <= tier["up_to"]
        top = quantity if is_last else Decimal(tier["up_to"])
        total += _tier_amount(tier, top - below)
        if is_last:
            break
        below = top
    return total


def _tier_amount(tier: Object, quantity: Decimal) -> Decimal:
    flat = Decimal(tier["flat_amount_decimal"] or 0)
    return flat + Decimal(tier["unit_amount_decimal"] or 0) * quantity
