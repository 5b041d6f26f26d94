"""Prices. Their amount never changes; name, lookup key and ``active`` may."""

from __future__ import annotations

from decimal import Decimal

from stripe.params import (
    PriceCreateParams,
    PriceListParams,
    PriceRetrieveParams,
    PriceUpdateParams,
)

from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.resources import products
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

DETAILS = "_price_details"
"""Record kind: fields of a price that are hidden unless expanded."""
MAX_INTERVAL_COUNT = {"day": 1095, "week": 156, "month": 36, "year": 3}


@routes.post("/v1/prices", PriceCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    _check_amount(params)
    _check_meter(tx, params)
    product = _find_product(tx, params)
    price = build_price(tx.new_id("price"), params, product=product["id"], now=tx.now)
    if lookup_key := params.get("lookup_key"):
        _assign_lookup_key(tx, lookup_key, transfer=params.get("transfer_lookup_key", False))
    tx.insert(price)
    tx.insert(_build_details(price, params))
    tx.emit("price.created", price)
    return price


@routes.get("/v1/prices/<id>", PriceRetrieveParams)
def retrieve(tx: Transaction, params: Params, price_id: str) -> Object:
    return tx.path_object("price", price_id)


@routes.post("/v1/prices/<id>", PriceUpdateParams)
def update(tx: Transaction, params: Params, price_id: str) -> Object:
    price = tx.path_object("price", price_id)
    if (lookup_key := params.get("lookup_key")) and lookup_key != price["lookup_key"]:
        _assign_lookup_key(tx, lookup_key, transfer=params.get("transfer_lookup_key", False))
    if price["tax_behavior"] not in ("unspecified", params.get("tax_behavior", "unspecified")):
        raise invalid(
            "Once `tax_behavior` is `inclusive` or `exclusive`, it cannot be changed.",
            param="tax_behavior",
        )
    with tx.updating(price, "price.updated"):
        assign(price, params, "active", "lookup_key", "nickname", "tax_behavior")
        merge_metadata(price, params.get("metadata"))
    return price


@routes.get("/v1/prices", PriceListParams)
def list_(tx: Transaction, params: Params) -> Object:
    recurring = params.get("recurring", {})

    def wanted(price: Object) -> bool:
        return (
            all(
                price[name] == params.get(name, price[name])
                for name in ("active", "currency", "product", "type")
            )
            and price["lookup_key"] in params.get("lookup_keys", [price["lookup_key"]])
            and all((price["recurring"] or {}).get(name) == recurring[name] for name in recurring)
        )

    return list_page(tx, "price", params, url="/v1/prices", where=wanted)


@routes.includable("price", "tiers")
def list_tiers(tx: Transaction, price: Object) -> list[Object] | None:
    details = tx.get(DETAILS, price["id"])
    return details["tiers"] if details else None


@routes.includable("price", "currency_options")
def include_currency_options(tx: Transaction, price: Object) -> Object:
    amount = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    return {price["currency"]: {name: price[name] for name in amount}}


def build_price(price_id: str, params: Params, *, product: str, now: int) -> Object:
    amount, exact = _read_unit_amount(params)
    price: Object = {
        "id": price_id,
        "object": "price",
        "active": True,
        "billing_scheme": params.get("billing_scheme", "per_unit"),
        "created": now,
        "currency": params["currency"].lower(),
        "custom_unit_amount": _read_custom_amount(params),
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product,
        "recurring": _read_recurring(params),
        "tax_behavior": "unspecified",
        "tiers_mode": params.get("tiers_mode"),
        "transform_quantity": params.get("transform_quantity"),
        "type": "recurring" if "recurring" in params else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": exact,
    }
    assign(price, params, "active", "lookup_key", "nickname", "tax_behavior")
    merge_metadata(price, params.get("metadata"))
    return price


def _check_amount(params: Params) -> None:
    refuse_unsupported(params, "currency_options")
    if params.get("billing_scheme") == "tiered":
        if not params.get("tiers"):
            raise missing_param("tiers")
        if "tiers_mode" not in params:
            raise missing_param("tiers_mode")
        return
    amount_params = [name for name in AMOUNT_PARAMS if name in params]
    if not amount_params:
        raise missing_param("unit_amount")
    if len(amount_params) > 1:
        raise invalid(
            f"You may only specify one of these parameters: {', '.join(amount_params)}.",
            param=amount_params[1],
        )
    if params.get("unit_amount", 0) < 0:
        raise invalid(
            "This value must be greater than or equal to 0.",
            param="unit_amount",
            code="parameter_invalid_integer",
        )


def _check_meter(tx: Transaction, params: Params) -> None:
    """Check ``recurring[meter]``: required for metered prices, forbidden for others."""
    recurring = params.get("recurring") or {}
    is_metered = recurring.get("usage_type") == "metered"
    if "meter" not in recurring:
        if is_metered:
            raise missing_param("recurring[meter]")
        return
    if not is_metered:
        raise invalid(
            "You can only set `recurring[meter]` when `recurring[usage_type]` is `metered`.",
            param="recurring[meter]",
        )
    meter = tx.param_object("billing.meter", recurring["meter"], param="recurring[meter]")
    if meter["status"] != "active":
        raise invalid("The meter is inactive. Reactivate it first.", param="recurring[meter]")


AMOUNT_PARAMS = ("unit_amount", "unit_amount_decimal", "custom_unit_amount")


def _find_product(tx: Transaction, params: Params) -> Object:
    if "product" in params:
        return tx.param_object("product", params["product"], param="product")
    if "product_data" in params:
        return products.create(tx, params["product_data"])
    raise missing_param("product")


def _assign_lookup_key(tx: Transaction, lookup_key: str, *, transfer: bool) -> None:
    """Free the lookup key: ``transfer`` takes it from its price. Raises 400 without it."""
    for holder in tx.list_objects("price", lambda price: price["lookup_key"] == lookup_key):
        if not transfer:
            raise invalid(
                f"A price (`{holder['id']}`) already uses that lookup key.", param="lookup_key"
            )
        with tx.updating(holder, "price.updated"):
            holder["lookup_key"] = None


def _read_unit_amount(params: Params) -> tuple[int | None, str | None]:
    """``unit_amount`` (None for a fraction) and ``unit_amount_decimal``."""
    if "unit_amount" in params:
        return params["unit_amount"], str(params["unit_amount"])
    exact: Decimal | None = params.get("unit_amount_decimal")
    if exact is None:
        return None, None
    is_whole = exact == exact.to_integral_value()
    return (int(exact) if is_whole else None), format(exact.normalize(), "f")


def _read_recurring(params: Params) -> Object | None:
    recurring = params.get("recurring")
    if recurring is None:
        return None
    count = recurring.get("interval_count", 1)
    if not 1 <= count <= MAX_INTERVAL_COUNT[recurring["interval"]]:
        raise invalid(
            "The maximum interval is 3 years; the minimum interval count is 1.",
            param="recurring[interval_count]",
        )
    return {
        "interval": recurring["interval"],
        "interval_count": count,
        "meter": recurring.get("meter"),
        "trial_period_days": recurring.get("trial_period_days"),
        "usage_type": recurring.get("usage_type", "licensed"),
    }


def _read_custom_amount(params: Params) -> Object | None:
    custom = params.get("custom_unit_amount")
    if not custom or not custom["enabled"]:
        return None
    return {name: custom.get(name) for name in ("maximum", "minimum", "preset")}


def _build_details(price: Object, params: Params) -> Object:
    tiers = [_build_tier(tier) for tier in params["tiers"]] if "tiers" in params else None
    return {"object": DETAILS, "id": price["id"], "tiers": tiers}


def _build_tier(tier: Params) -> Object:
    result: Object = {"up_to": None if tier["up_to"] == "inf" else tier["up_to"]}
    for name in ("flat_amount", "unit_amount"):
        exact = tier.get(f"{name}_decimal", tier.get(name))
        result[name] = tier.get(name)
        result[f"{name}_decimal"] = None if exact is None else str(exact)
    return result
