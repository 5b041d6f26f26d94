"""Which kinds of payment methods a session takes: cards, and debits in their own currency."""

from __future__ import annotations

from sandbox.bank_accounts import CURRENCY
from sandbox.errors import invalid
from sandbox.objects import Object, Params


def list_offered(params: Params, currency: str) -> list[str]:
    """What is left of them after the caller's choice. Raises 400 if nothing is."""
    supported = ["card", *(type for type, only in CURRENCY.items() if only == currency)]
    allowed = params.get("allowed_payment_method_types", supported)
    excluded = params.get("excluded_payment_method_types", [])
    offered = [type for type in supported if type in allowed and type not in excluded]
    if not offered:
        debit_types = ", ".join(f"`{type}` ({only})" for type, only in CURRENCY.items())
        raise invalid(
            f"Nothing is left to pay {currency} with: the sandbox knows `card`, {debit_types}.",
            param=next(name for name in TYPE_PARAMS if name in params),
        )
    return offered


TYPE_PARAMS = ("allowed_payment_method_types", "excluded_payment_method_types")


def check_offered(session: Object, method_type: str) -> None:
    """Raises 400 for a kind of method that the session does not take."""
    if method_type not in session["payment_method_types"]:
        raise invalid(
            f"This Checkout Session does not take payment methods of type `{method_type}`.",
            param="payment_method",
        )
