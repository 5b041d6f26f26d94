"""Coupons. Existing discounts stay when their coupon is deleted."""

from __future__ import annotations

from stripe.params import (
    CouponCreateParams,
    CouponDeleteParams,
    CouponListParams,
    CouponRetrieveParams,
    CouponUpdateParams,
)

from sandbox.currencies import maximum_amount
from sandbox.errors import StripeFailure, invalid, missing_param, refuse_unsupported
from sandbox.limits import check_length
from sandbox.objects import Object, Params, assign, copy, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

PRODUCTS = "_coupon_products"
"""Record kind: the products of a coupon; ``applies_to`` shows them when expanded."""
NAME_LIMIT = 40


@routes.post("/v1/coupons", CouponCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, "currency_options")
    _check_params(tx, params)
    coupon = tx.insert(_build_coupon(tx, params))
    merge_metadata(coupon, params.get("metadata"))
    if products := params.get("applies_to", {}).get("products"):
        for index, product in enumerate(products):
            tx.param_object("product", product, param=f"applies_to[products][{index}]")
        tx.insert({"object": PRODUCTS, "id": coupon["id"], "products": products})
    tx.emit("coupon.created", coupon)
    return coupon


@routes.get("/v1/coupons/<id>", CouponRetrieveParams)
def retrieve(tx: Transaction, params: Params, coupon_id: str) -> Object:
    return tx.path_object("coupon", coupon_id)


@routes.post("/v1/coupons/<id>", CouponUpdateParams)
def update(tx: Transaction, params: Params, coupon_id: str) -> Object:
    refuse_unsupported(params, "currency_options")
    coupon = tx.path_object("coupon", coupon_id)
    check_length("name", params.get("name", ""), NAME_LIMIT)
    with tx.updating(coupon, "coupon.updated"):
        assign(coupon, params, "name")
        merge_metadata(coupon, params.get("metadata"))
    return coupon


@routes.get("/v1/coupons", CouponListParams)
def list_(tx: Transaction, params: Params) -> Object:
    return list_page(tx, "coupon", params, url="/v1/coupons")


@routes.delete("/v1/coupons/<id>", CouponDeleteParams)
def delete(tx: Transaction, params: Params, coupon_id: str) -> Object:
    """Delete the coupon and deactivate its promotion codes."""
    coupon = tx.path_object("coupon", coupon_id)
    coupon["valid"] = False
    _deactivate_codes(tx, coupon)
    tx.emit("coupon.deleted", coupon)
    if products := tx.get(PRODUCTS, coupon_id):
        tx.remove(products)
    return tx.delete(coupon)


@routes.includable("coupon", "applies_to")
def include_applies_to(tx: Transaction, coupon: Object) -> Object | None:
    products = list_product_ids(tx, coupon["id"])
    return {"products": products} if products else None


def list_product_ids(tx: Transaction, coupon_id: str) -> list[str]:
    """Ids of the products that the coupon is limited to; empty: all products."""
    record = tx.get(PRODUCTS, coupon_id)
    return list(record["products"]) if record else []


def read_terms(tx: Transaction, coupon: Object) -> Object:
    """The coupon's terms, which each discount copies."""
    names = ("percent_off", "amount_off", "currency", "duration", "duration_in_months")
    return {name: copy(coupon[name]) for name in names} | {
        "products": list_product_ids(tx, coupon["id"])
    }


def check_redeemable(tx: Transaction, coupon: Object, *, param: str) -> None:
    """Raise 400 for a coupon that has expired or is used up."""
    if not coupon["valid"] or (coupon["redeem_by"] and coupon["redeem_by"] <= tx.now):
        raise invalid(f"Coupon expired: {coupon['id']}", param=param, code="coupon_expired")


def redeem_coupon(tx: Transaction, coupon: Object) -> None:
    """Count one redemption; the last allowed one ends the coupon."""
    with tx.updating(coupon, "coupon.updated"):
        coupon["times_redeemed"] += 1
        if coupon["times_redeemed"] == coupon["max_redemptions"]:
            expire_coupon(tx, coupon)


def expire_coupon(tx: Transaction, coupon: Object) -> None:
    """End the coupon and its promotion codes."""
    coupon["valid"] = False
    _deactivate_codes(tx, coupon)


def _deactivate_codes(tx: Transaction, coupon: Object) -> None:
    for code in tx.list_objects("promotion_code", lambda code: _is_open_code(code, coupon["id"])):
        with tx.updating(code, "promotion_code.updated"):
            code["active"] = False


def _is_open_code(code: Object, coupon: str) -> bool:
    return bool(code["promotion"]["coupon"] == coupon and code["active"])


def _check_params(tx: Transaction, params: Params) -> None:
    _check_reduction(params)
    _check_duration(params)
    if params.get("max_redemptions", 1) < 1:
        raise invalid("Invalid positive integer", param="max_redemptions")
    if params.get("redeem_by", tx.now + 1) <= tx.now:
        raise invalid("redeem_by must be in the future.", param="redeem_by")
    check_length("name", params.get("name", ""), NAME_LIMIT)
    existing = tx.get("coupon", params.get("id", ""))
    if existing and not existing.get("deleted"):
        raise StripeFailure("Coupon already exists.", code="resource_already_exists", param="id")


def _check_reduction(params: Params) -> None:
    if ("percent_off" in params) == ("amount_off" in params):
        raise invalid("You must provide exactly one of these parameters: amount_off, percent_off.")
    if "percent_off" in params and not 0 < params["percent_off"] <= 100:
        raise invalid("percent_off must be greater than 0 and at most 100.", param="percent_off")
    if "amount_off" in params:
        if "currency" not in params:
            raise missing_param("currency")
        if not 1 <= params["amount_off"] <= maximum_amount(params["currency"]):
            raise invalid("Invalid positive integer", param="amount_off")


def _check_duration(params: Params) -> None:
    repeats = params.get("duration") == "repeating"
    if repeats and "duration_in_months" not in params:
        raise missing_param("duration_in_months")
    if "duration_in_months" in params and not (repeats and params["duration_in_months"] >= 1):
        raise invalid(
            "duration_in_months must be at least 1, and can only be used with a `repeating` "
            "duration.",
            param="duration_in_months",
        )


def _build_coupon(tx: Transaction, params: Params) -> Object:
    currency = params.get("currency") if "amount_off" in params else None
    return {
        "id": params.get("id") or tx.world.ids.token(8),
        "object": "coupon",
        "amount_off": params.get("amount_off"),
        "created": tx.now,
        "currency": currency and currency.lower(),
        "duration": params.get("duration", "once"),
        "duration_in_months": params.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": {},
        "name": params.get("name"),
        "percent_off": params.get("percent_off"),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
    }
