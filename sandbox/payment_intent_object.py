"""The PaymentIntent object: all fields of a new one, and the link to its owner."""

from __future__ import annotations

from typing import Any

from sandbox.errors import refuse_unsupported
from sandbox.objects import Object, Params
from sandbox.transaction import Transaction

OWNER = "_payment_owner"


def link_owner(tx: Transaction, intent: Object, owner: tuple[str, str]) -> None:
    """Record that the intent pays for ``("invoice", id)`` or ``("checkout.session", id)``."""
    tx.insert({"object": OWNER, "id": intent["id"], "kind": owner[0], "owner": owner[1]})


def find_owner(tx: Transaction, intent: Object) -> tuple[str, str] | None:
    """Kind and id of the invoice or checkout session that the intent pays for; None without one."""
    record = tx.get(OWNER, intent["id"])
    return (record["kind"], record["owner"]) if record else None


def build_intent(
    tx: Transaction, *, amount: int, currency: str, customer: str | None = None, **fields: Any
) -> Object:
    """A new intent without a payment method. ``fields`` override the initial values."""
    id = tx.new_id("pi")
    return {
        "id": id,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{id}_secret_{tx.world.ids.token(25)}",
        "confirmation_method": "automatic",
        "created": tx.now,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": card_options()},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
        **fields,
    }


def apply_method_options(intent: Object, params: Params) -> None:
    """Apply the sent ``payment_method_options``. Raises 400 for unsupported options."""
    options = params.get("payment_method_options") or {}
    refuse_unsupported(options, *(set(options) - {"card"}))
    card = options.get("card") or {}
    refuse_unsupported(card, *(set(card) - {"request_three_d_secure"}))
    intent["payment_method_options"]["card"] |= card


def requests_authentication(intent: Object) -> bool:
    """Whether the merchant requests 3-D Secure even if the bank does not require it."""
    requested = intent["payment_method_options"]["card"]["request_three_d_secure"]
    return requested in ("any", "challenge")


def card_options(authentication: str = "automatic") -> Object:
    return {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": authentication,
    }
