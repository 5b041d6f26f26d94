"""Payment method types of a session: cards, and debits in their currency."""

from __future__ import annotations

from sandbox.bank_accounts import CURRENCY
from sandbox.errors import invalid
from sandbox.objects import Object, Params


def list_offered(params: Params, currency: str) -> list[str]:
    """The types that the session offers. Raises 400 if the caller's choice leaves none."""
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
    """Raise 400 for a payment method type that the session does not offer."""
    if method_type not in session["payment_method_types"]:
        raise invalid(
            f"This Checkout Session does not take payment methods of type `{method_type}`.",
            param="payment_method",
        )
