"""Payments for the payment intent API, invoices and checkout sessions.

``create_payment`` creates an intent and attempts it once. A declined card raises nothing: the
intent is ``requires_payment_method`` with ``last_payment_error``. API routes that must answer 402
raise ``declined_error(intent)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox import bank_debits, cards, disputes, early_fraud_warnings, payment_intent_object
from sandbox.bank_accounts import BankAccount
from sandbox.cards import Authentication, Card, Decline
from sandbox.errors import DOCS, StripeFailure, invalid
from sandbox.forced_declines import take_forced_decline
from sandbox.objects import Object, copy
from sandbox.resources import charges, payment_methods
from sandbox.transaction import Transaction

OwnerListener = Callable[[Transaction, Object, str], None]
DEBIT_LISTENERS: list[Callable[[Transaction, Object], None]] = []
"""Called with (tx, intent) after the bank has answered a debit and the owner was notified."""
OWNER_LISTENERS: dict[str, OwnerListener] = {}
"""By kind of owner: called with (tx, intent, owner id) after each attempt and authentication."""

AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    None,
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or "
    "a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
    None,
)


def create_payment(
    tx: Transaction,
    *,
    amount: int,
    currency: str,
    payment_method: str,
    off_session: bool = False,
    owner: tuple[str, str] | None = None,
    return_url: str | None = None,
    **fields: Any,
) -> Object:
    """Create a payment intent and attempt it once with the payment method.

    ``owner`` is ``("invoice", id)`` or ``("checkout.session", id)``; its listener is called after
    every attempt. ``fields`` are further fields of the intent, such as ``customer``, ``metadata``,
    ``setup_future_usage`` and ``capture_method`` (default ``automatic``). Returns the intent:
    ``succeeded``, ``processing`` (a bank debit), ``requires_capture``, ``requires_action`` (the
    payer continues at ``next_action.redirect_to_url.url``) or ``requires_payment_method``.
    """
    intent = payment_intent_object.build_intent(tx, amount=amount, currency=currency, **fields)
    intent["payment_method"] = payment_method
    intent["status"] = "requires_confirmation"
    tx.insert(intent)
    if owner:
        payment_intent_object.link_owner(tx, intent, owner)
    tx.emit("payment_intent.created", intent)
    attempt_payment(tx, intent, off_session=off_session, return_url=return_url)
    return intent


def attempt_payment(
    tx: Transaction, intent: Object, *, off_session: bool, return_url: str | None = None
) -> None:
    """Attempt the intent with its payment method. Raises 400 if the method cannot be used."""
    method = _usable_method(tx, intent)
    card = payment_methods.find_card(tx, method)
    intent["last_payment_error"] = intent["next_action"] = None
    if isinstance(card, BankAccount):
        bank_debits.check_debit(intent, card)
        bank_debits.start_debit(tx, intent, method, card)
    elif not _must_authenticate(tx, intent, card, method, off_session=off_session):
        _charge_card(tx, intent, method, card.decline)
    elif off_session:
        _charge_card(tx, intent, method, cards.DECLINES["authentication_required"])
    else:
        intent["status"] = "requires_action"
        intent["next_action"] = build_redirect(tx, intent["id"], return_url)
        tx.emit("payment_intent.requires_action", intent)
    _notify_owner(tx, intent)


def finish_authentication(tx: Transaction, intent: Object, *, succeeds: bool) -> None:
    """Finish 3-D Secure, successfully or not. Raises 400 if the intent does not require it."""
    if intent["status"] != "requires_action":
        raise invalid(f"PaymentIntent {intent['id']} does not wait for authentication.")
    method = _usable_method(tx, intent)
    intent["next_action"] = None
    if succeeds:
        if intent["setup_future_usage"]:
            payment_methods.mark_method(tx, method, set_up=True)
        _charge_card(tx, intent, method, payment_methods.find_card(tx, method).decline)
    else:
        _fail(tx, intent, method, AUTHENTICATION_FAILED, charge=None)
    _notify_owner(tx, intent)


def apply_bank_answer(tx: Transaction, answer: Object) -> None:
    """Apply the bank's answer to a debit and notify the owner and the debit listeners."""
    intent = tx.param_object("payment_intent", answer["id"], param="payment_intent")
    method = tx.param_object("payment_method", intent["payment_method"], param="payment_method")
    refused = bank_debits.take_answer(tx, intent)
    if refused:
        charge = charges.find_charge(tx, intent["latest_charge"])
        charges.fail_charge(charge, refused)
        tx.emit("charge.failed", charge)
        _fail(tx, intent, method, refused, charge=charge["id"])
    else:
        bank_debits.complete_debit(tx, intent, method)
    _notify_owner(tx, intent)
    for listener in DEBIT_LISTENERS:
        listener(tx, intent)


def capture_payment(tx: Transaction, intent: Object, amount: int) -> None:
    """Capture the authorised amount or part of it; the rest is released."""
    charge = charges.find_charge(tx, intent["latest_charge"])
    charge |= {"captured": True, "amount_captured": amount}
    charges.settle_charge(tx, charge)
    intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
    tx.emit("charge.captured", charge)
    tx.emit("payment_intent.succeeded", intent)
    _notify_owner(tx, intent)


def cancel_payment(tx: Transaction, intent: Object, reason: str | None) -> None:
    """Cancel the intent and release authorised money."""
    if intent["status"] == "requires_capture":
        charge = charges.find_charge(tx, intent["latest_charge"])
        charge |= {"refunded": True, "amount_refunded": charge["amount"]}
        tx.emit("charge.refunded", charge)
    bank_debits.cancel_answer(tx, intent)
    intent |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": tx.now,
        "cancellation_reason": reason,
        "next_action": None,
    }
    tx.emit("payment_intent.canceled", intent)


def declined_error(intent: Object) -> StripeFailure:
    """The 402 error of an intent whose last attempt failed. Its effects are kept."""
    return build_declined_error(intent["last_payment_error"], payment_intent=copy(intent))


def build_declined_error(error: Object, **details: Any) -> StripeFailure:
    """The 402 error for a ``last_payment_error`` or ``last_setup_error``; effects are kept."""
    renamed = {"error_type" if name == "type" else name: value for name, value in error.items()}
    renamed.pop("doc_url", None)
    return StripeFailure(status=402, keep_effects=True, **renamed, **details)


def build_redirect(tx: Transaction, object_id: str, return_url: str | None) -> Object:
    """``next_action`` with the URL of the sandbox's 3-D Secure page."""
    return {
        "redirect_to_url": {
            "return_url": return_url,
            "url": f"{tx.world.base_url}/pages/3ds/{object_id}",
        },
        "type": "redirect_to_url",
    }


def _usable_method(tx: Transaction, intent: Object) -> Object:
    method = tx.param_object("payment_method", intent["payment_method"], param="payment_method")
    payment_methods.check_usable(tx, method)
    _check_allowed(intent, method["type"])
    if method["customer"] not in (None, intent["customer"]):
        raise invalid(
            "The provided PaymentMethod cannot be used: it belongs to a Customer. Please include "
            "that Customer in the `customer` parameter on the PaymentIntent.",
            param="payment_method",
        )
    return method


def _check_allowed(intent: Object, method_type: str) -> None:
    allowed = intent["allowed_payment_method_types"] or [method_type]
    if method_type not in allowed or method_type in (intent["excluded_payment_method_types"] or []):
        raise invalid(
            f"The payment method type `{method_type}` is not allowed for this PaymentIntent.",
            param="payment_method",
        )


def _must_authenticate(
    tx: Transaction, intent: Object, card: Card, method: Object, *, off_session: bool
) -> bool:
    match card.authentication:
        case Authentication.ALWAYS:
            return True
        case Authentication.ON_SESSION_ONLY:
            return not off_session
        case Authentication.UNLESS_SET_UP:
            return not payment_methods.is_set_up(tx, method)
        case Authentication.WHEN_REQUESTED:
            return not off_session and payment_intent_object.requests_authentication(intent)
    return False


def _charge_card(tx: Transaction, intent: Object, method: Object, decline: Decline | None) -> None:
    decline = take_forced_decline(tx, intent["customer"]) or decline
    captured = intent["capture_method"] != "manual"
    charge = charges.insert_charge(tx, intent, method, decline=decline, captured=captured)
    intent["latest_charge"] = charge["id"]
    if decline:
        tx.emit("charge.failed", charge)
        _fail(tx, intent, method, decline, charge=charge["id"])
    else:
        _succeed(tx, intent, method, charge)


def _fail(
    tx: Transaction, intent: Object, method: Object, decline: Decline, *, charge: str | None
) -> None:
    intent["status"] = "requires_payment_method"
    intent["payment_method"] = None
    intent["last_payment_error"] = last_error(decline, method, charge=charge)
    tx.emit("payment_intent.payment_failed", intent)


def last_error(decline: Decline, method: Object, *, charge: str | None = None) -> Object:
    """The hash ``last_payment_error`` or ``last_setup_error``."""
    error: Object = {
        "advice_code": decline.advice_code,
        "charge": charge,
        "code": decline.code,
        "decline_code": decline.decline_code,
        "doc_url": DOCS + decline.code.replace("_", "-"),
        "message": decline.message,
        "payment_method": copy(method),
        "type": "card_error" if charge or decline.decline_code else "invalid_request_error",
    }
    return {key: value for key, value in error.items() if value is not None}


def _succeed(tx: Transaction, intent: Object, method: Object, charge: Object) -> None:
    """Complete the intent. With ``automatic_async`` the balance follows in ``charge.updated``."""
    if intent["setup_future_usage"] and intent["customer"]:
        payment_methods.attach_method(tx, method, intent["customer"])
    payment_methods.mark_method(tx, method, spent=True)
    if intent["capture_method"] == "manual":
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        tx.emit("charge.succeeded", charge)
        tx.emit("payment_intent.amount_capturable_updated", intent)
        return
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    if intent["capture_method"] == "automatic":
        charges.settle_charge(tx, charge)
    if trigger := payment_methods.find_card(tx, method).dispute_trigger:
        disputes.schedule_dispute(tx, charge, trigger)
    tx.emit("charge.succeeded", charge)
    tx.emit("payment_intent.succeeded", intent)
    if charge["balance_transaction"] is None:
        with tx.updating(charge, "charge.updated"):
            charges.settle_charge(tx, charge)
    if getattr(payment_methods.find_card(tx, method), "has_fraud_warning", False):
        early_fraud_warnings.issue_warning(tx, charge)


def _notify_owner(tx: Transaction, intent: Object) -> None:
    owner = payment_intent_object.find_owner(tx, intent)
    if owner and owner[0] in OWNER_LISTENERS:
        OWNER_LISTENERS[owner[0]](tx, intent, owner[1])
