"""Discounts of a session, set by the merchant or by a promotion code that the buyer enters."""

from __future__ import annotations

from sandbox.billing import discounts
from sandbox.checkout import session_amounts
from sandbox.errors import invalid
from sandbox.objects import Object, Params
from sandbox.resources import promotion_codes
from sandbox.transaction import Transaction

PARAM = "promotion_code"


def apply_discounts_param(tx: Transaction, session: Object, params: Params) -> None:
    """Apply the ``discounts`` parameter. Raises 400 if a discount cannot be redeemed."""
    discount_choices = discounts.read_choices(
        tx,
        params.get("discounts"),
        customer=session["customer"],
        order_amount=_order_amount(session),
        limit=1,
    )
    _set_discounts(tx, session, [choice.shown for choice in discount_choices])


def apply_code(tx: Transaction, session: Object, code: str) -> None:
    """Apply the entered promotion code. Raises 400 if the buyer cannot redeem it."""
    if not session["allow_promotion_codes"]:
        raise invalid("This Checkout Session does not take promotion codes.", param=PARAM)
    promotion_code = promotion_codes.find_active_code(tx, code, session["customer"])
    if promotion_code is None:
        raise invalid("This code is invalid.", param=PARAM)
    choice = discounts.choose_promotion_code(
        tx,
        promotion_code,
        customer=session["customer"],
        order_amount=_order_amount(session),
        param=PARAM,
    )
    before = session["discounts"]
    try:
        _set_discounts(tx, session, [choice.shown])
    except Exception:
        _set_discounts(tx, session, before)
        raise


def remove_code(tx: Transaction, session: Object) -> None:
    """Remove the promotion code."""
    _set_discounts(tx, session, [])


def check_redeemable(tx: Transaction, session: Object) -> None:
    """Raise 400 if a coupon or code has ended since the session was created."""
    discounts.read_choices(
        tx,
        [{name: id for name, id in discount.items() if id} for discount in session["discounts"]],
        customer=session["customer"],
        order_amount=_order_amount(session),
    )


def _set_discounts(tx: Transaction, session: Object, new_discounts: list[Object]) -> None:
    if new_discounts != session["discounts"]:
        session["discounts"] = new_discounts
        session_amounts.compute_amounts(tx, session)


def _order_amount(session: Object) -> tuple[int, str]:
    return session["amount_subtotal"], session["currency"]
