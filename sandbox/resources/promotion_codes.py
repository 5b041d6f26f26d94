"""Promotion codes, which a buyer enters to redeem a coupon."""

from __future__ import annotations

import re

from stripe.params import (
    PromotionCodeCreateParams,
    PromotionCodeListParams,
    PromotionCodeRetrieveParams,
    PromotionCodeUpdateParams,
)

from sandbox import money
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, merge_metadata
from sandbox.pagination import list_page
from sandbox.resources import coupons
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

CODE_PATTERN = re.compile(r"[A-Za-z0-9-]{1,500}")
CODE_LENGTH = 8


@routes.post("/v1/promotion_codes", PromotionCodeCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, "customer_account")
    coupon = _find_coupon(tx, params)
    code = params.get("code") or tx.world.ids.token(CODE_LENGTH).upper()
    if not CODE_PATTERN.fullmatch(code):
        raise invalid(
            "Promotion codes may only contain letters, digits and dashes.",
            param="code",
        )
    _check_limits(tx, params, coupon)
    if "customer" in params:
        tx.param_object("customer", params["customer"], param="customer")
    promotion_code = tx.insert(_build_code(tx, params, code))
    if promotion_code["active"]:
        _check_unique(tx, promotion_code)
    merge_metadata(promotion_code, params.get("metadata"))
    tx.emit("promotion_code.created", promotion_code)
    return promotion_code


@routes.get("/v1/promotion_codes/<id>", PromotionCodeRetrieveParams)
def retrieve(tx: Transaction, params: Params, code_id: str) -> Object:
    return tx.path_object("promotion_code", code_id)


@routes.post("/v1/promotion_codes/<id>", PromotionCodeUpdateParams)
def update(tx: Transaction, params: Params, code_id: str) -> Object:
    refuse_unsupported(params, "restrictions")
    promotion_code = tx.path_object("promotion_code", code_id)
    with tx.updating(promotion_code, "promotion_code.updated"):
        if params.get("active") and not promotion_code["active"]:
            _check_reactivation(tx, promotion_code)
            promotion_code["active"] = True
            _check_unique(tx, promotion_code)
        promotion_code["active"] = params.get("active", promotion_code["active"])
        merge_metadata(promotion_code, params.get("metadata"))
    return promotion_code


@routes.get("/v1/promotion_codes", PromotionCodeListParams)
def list_(tx: Transaction, params: Params) -> Object:
    """List promotion codes; ``code`` ignores case."""
    code = params.get("code")

    def wanted(body: Object) -> bool:
        return bool(
            (code is None or body["code"].lower() == code.lower())
            and body["active"] == params.get("active", body["active"])
            and body["customer"] == params.get("customer", body["customer"])
            and body["promotion"]["coupon"] == params.get("coupon", body["promotion"]["coupon"])
        )

    return list_page(tx, "promotion_code", params, url="/v1/promotion_codes", where=wanted)


def find_active_code(tx: Transaction, code: str, customer: str | None) -> Object | None:
    """The active code with this text for the customer; a code of their own has precedence."""

    def fits(body: Object) -> bool:
        return bool(
            body["active"]
            and body["code"].lower() == code.strip().lower()
            and body["customer"] in (None, customer)
        )

    codes = tx.list_objects("promotion_code", fits)
    return max(codes, key=lambda body: body["customer"] is not None, default=None)


def check_redeemable(
    tx: Transaction,
    promotion_code: Object,
    *,
    customer: str | None,
    order_amount: tuple[int, str] | None,
    param: str,
) -> None:
    """Raise 400 for a code that this customer cannot redeem for this amount.

    ``order_amount`` is the amount before discounts and its currency; None: no check.
    """
    expires = promotion_code["expires_at"]
    if not promotion_code["active"] or (expires and expires <= tx.now):
        raise invalid("This promotion code is no longer active.", param=param)
    if promotion_code["customer"] not in (None, customer):
        raise invalid("This promotion code belongs to another customer.", param=param)
    restrictions = promotion_code["restrictions"]
    if restrictions["first_time_transaction"] and customer and _has_paid(tx, customer):
        raise invalid(
            "This promotion code cannot be redeemed because the associated customer has prior "
            "transactions.",
            param=param,
        )
    least, currency = restrictions["minimum_amount"], restrictions["minimum_amount_currency"]
    if least and order_amount and (order_amount[0] < least or order_amount[1] != currency):
        raise invalid(
            "This promotion code cannot be redeemed because the order is below the minimum amount "
            f"of {money.format_amount(least, currency)}.",
            param=param,
        )


def redeem_code(tx: Transaction, promotion_code: Object) -> None:
    """Count one redemption; the last allowed one ends the code."""
    with tx.updating(promotion_code, "promotion_code.updated"):
        promotion_code["times_redeemed"] += 1
        if promotion_code["times_redeemed"] == promotion_code["max_redemptions"]:
            promotion_code["active"] = False


def expire_code(tx: Transaction, promotion_code: Object) -> None:
    """Deactivate the code at ``expires_at``."""
    promotion_code["active"] = False


def _has_paid(tx: Transaction, customer: str) -> bool:
    def paid(charge: Object) -> bool:
        return bool(charge["customer"] == customer and charge["paid"])

    return bool(tx.list_ids("charge", paid))


def _find_coupon(tx: Transaction, params: Params) -> Object:
    id = params["promotion"].get("coupon")
    if not id:
        raise missing_param("promotion[coupon]")
    coupon = tx.param_object("coupon", id, param="promotion[coupon]")
    coupons.check_redeemable(tx, coupon, param="promotion[coupon]")
    return coupon


def _check_limits(tx: Transaction, params: Params, coupon: Object) -> None:
    if params.get("expires_at", tx.now + 1) <= tx.now:
        raise invalid("expires_at must be in the future.", param="expires_at")
    if coupon["redeem_by"] and params.get("expires_at", 0) > coupon["redeem_by"]:
        raise invalid("expires_at must not lie after the coupon's redeem_by.", param="expires_at")
    most = params.get("max_redemptions", 1)
    if most < 1 or (coupon["max_redemptions"] and most > coupon["max_redemptions"]):
        raise invalid(
            "max_redemptions must be positive and not above that of the coupon.",
            param="max_redemptions",
        )
    restrictions = params.get("restrictions", {})
    refuse_unsupported(restrictions, "currency_options")
    if ("minimum_amount" in restrictions) != ("minimum_amount_currency" in restrictions):
        raise invalid(
            "minimum_amount and minimum_amount_currency must be given together.",
            param="restrictions[minimum_amount]",
        )


def _check_reactivation(tx: Transaction, promotion_code: Object) -> None:
    coupon = tx.get("coupon", promotion_code["promotion"]["coupon"])
    expires, most = promotion_code["expires_at"], promotion_code["max_redemptions"]
    if (
        not coupon
        or not coupon.get("valid")
        or (expires and expires <= tx.now)
        or (most and promotion_code["times_redeemed"] >= most)
    ):
        raise invalid(
            "This promotion code cannot be activated: it has expired, is used up, or its coupon is "
            "no longer valid.",
            param="active",
        )


def _check_unique(tx: Transaction, promotion_code: Object) -> None:
    """Raise 400 if another active code has the same text for the same customer."""

    def clashes(other: Object) -> bool:
        return bool(
            other["active"]
            and other["id"] != promotion_code["id"]
            and other["code"].lower() == promotion_code["code"].lower()
            and (
                other["customer"] == promotion_code["customer"]
                or None in (other["customer"], promotion_code["customer"])
            )
        )

    if tx.list_ids("promotion_code", clashes):
        raise invalid(
            f"An active promotion code with `code: {promotion_code['code']}` already exists.",
            param="code",
        )


def _build_code(tx: Transaction, params: Params, code: str) -> Object:
    restrictions = params.get("restrictions", {})
    currency = restrictions.get("minimum_amount_currency")
    return {
        "id": tx.new_id("promo"),
        "object": "promotion_code",
        "active": params.get("active", True),
        "code": code,
        "created": tx.now,
        "customer": params.get("customer"),
        "customer_account": None,
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": {},
        "promotion": {"coupon": params["promotion"]["coupon"], "type": "coupon"},
        "restrictions": {
            "first_time_transaction": restrictions.get("first_time_transaction", False),
            "minimum_amount": restrictions.get("minimum_amount"),
            "minimum_amount_currency": currency and currency.lower(),
        },
        "times_redeemed": 0,
    }
