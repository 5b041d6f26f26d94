"""Discounts of a session: given by the merchant, or typed by the buyer where that is allowed."""

from __future__ import annotations

from sandbox.billing import discounts
from sandbox.checkout import session_amounts
from sandbox.errors import invalid
from sandbox.objects import Object, Params
from sandbox.resources import promotion_codes
from sandbox.transaction import Transaction

PARAM = "promotion_code"


def take_given(tx: Transaction, session: Object, params: Params) -> None:
    """Apply the ``discounts`` parameter. Raises 400 for what cannot be redeemed."""
    chosen = discounts.read(
        tx, params.get("discounts"), customer=session["customer"], spends=_spends(session), most=1
    )
    _set(tx, session, [choice.shown for choice in chosen])


def enter(tx: Transaction, session: Object, code: str) -> None:
    """Apply the code that the buyer typed. Raises 400 if it is not for them, or not allowed."""
    if not session["allow_promotion_codes"]:
        raise invalid("This Checkout Session does not take promotion codes.", param=PARAM)
    found = promotion_codes.typed(tx, code, session["customer"])
    if found is None:
        raise invalid("This code is invalid.", param=PARAM)
    choice = discounts.by_code(
        tx, found, customer=session["customer"], spends=_spends(session), param=PARAM
    )
    before = session["discounts"]
    try:
        _set(tx, session, [choice.shown])
    except Exception:
        _set(tx, session, before)
        raise


def leave_out(tx: Transaction, session: Object) -> None:
    """The buyer takes the typed code back."""
    _set(tx, session, [])


def check_still_redeemable(tx: Transaction, session: Object) -> None:
    """Raises 400 if a coupon or code ended while the session was open."""
    discounts.read(
        tx,
        [{name: id for name, id in shown.items() if id} for shown in session["discounts"]],
        customer=session["customer"],
        spends=_spends(session),
    )


def _set(tx: Transaction, session: Object, shown: list[Object]) -> None:
    if shown != session["discounts"]:
        session["discounts"] = shown
        session_amounts.total_up(tx, session)


def _spends(session: Object) -> tuple[int, str]:
    return session["amount_subtotal"], session["currency"]
