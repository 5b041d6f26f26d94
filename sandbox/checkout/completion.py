"""Completion of a session by its buyer; used by the hosted page, the controls and ``buyer``.

``complete_session`` returns a ``CheckoutResult`` for a declined card and raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandbox import event_order, payment_intent_object, payments
from sandbox.checkout import (
    billing_address,
    fulfilment,
    payment_method_types,
    session_discounts,
    session_records,
)
from sandbox.errors import StripeFailure, invalid
from sandbox.objects import Object, Params, copy
from sandbox.resources import customers, payment_methods, setup_intents
from sandbox.transaction import Transaction

KIND = "checkout.session"
COMPLETING_STATUSES = ("succeeded", "requires_capture", "processing")
"""Intent statuses that complete a session. The result of a debit comes days later."""
CLOSED_MESSAGES = {
    "complete": "This Checkout Session is already complete.",
    "expired": "This Checkout Session has expired.",
}


@dataclass(frozen=True)
class BuyerDetails:
    email: str | None = None
    name: str | None = None
    address: Params | None = None


@dataclass(frozen=True)
class CheckoutResult:
    """Result of an attempt:

    complete, declined with the bank's text, or action required at ``url``.
    """

    status: Literal["complete", "declined", "requires_action"]
    url: str | None = None
    message: str | None = None
    code: str | None = None
    decline_code: str | None = None
    param: str | None = None


def complete_session(
    tx: Transaction, session: Object, *, card: Params | str | None, buyer: BuyerDetails
) -> CheckoutResult:
    """Complete the session with card details, a test token or a saved payment method.

    Raises 400 if the session is not open, or a card or e-mail address is missing.
    """
    if session["status"] == "open" and session["expires_at"] <= tx.now:
        raise invalid(CLOSED_MESSAGES["expired"])  # the engine has not expired it yet
    if session["status"] != "open":
        raise invalid(CLOSED_MESSAGES[session["status"]])
    session_discounts.check_redeemable(tx, session)
    record = session_records.find_record(tx, session)
    _record_buyer(tx, session, record, buyer)
    billing_address.check_present(tx, session)
    order = (
        event_order.ONE_TIME_PAYMENT if session["mode"] == "payment" else event_order.FIRST_PAYMENT
    )
    with tx.emit_in_order(order):
        try:
            return _pay_session(tx, session, record, card)
        except StripeFailure as failure:
            if failure.status != 402:
                raise
            return declined_result(failure)


def finish_authentication(tx: Transaction, intent: Object, *, succeeds: bool) -> CheckoutResult:
    """Finish 3-D Secure of an intent, and complete the session that it pays for."""
    owner = payment_intent_object.find_owner(tx, intent)
    order = event_order.FIRST_PAYMENT if owner and owner[0] == KIND else ()
    with tx.emit_in_order(order):
        if intent["object"] == "payment_intent":
            payments.finish_authentication(tx, intent, succeeds=succeeds)
        else:
            setup_intents.finish_authentication(tx, intent, succeeds=succeeds)
            if owner and intent["status"] == "succeeded":
                session = tx.param_object(KIND, owner[1], param="session")
                fulfilment.fulfil_session(tx, session, intent)
    return result_of_intent(intent)


def find_session_of(tx: Transaction, intent: Object) -> str | None:
    """Id of the session that created the intent, also after an invoice became its owner."""
    return next(
        iter(tx.list_ids(session_records.KIND, lambda record: intent["id"] in record["intents"])),
        None,
    )


def result_of_intent(intent: Object) -> CheckoutResult:
    """The buyer's result for an intent's status."""
    match intent["status"]:
        case "succeeded" | "requires_capture" | "processing":
            return CheckoutResult("complete")
        case "requires_action":
            url = intent["next_action"]["redirect_to_url"]["url"]
            return CheckoutResult("requires_action", url=url)
    error = intent.get("last_payment_error") or intent.get("last_setup_error") or {}
    return CheckoutResult(
        "declined",
        message=error.get("message"),
        code=error.get("code"),
        decline_code=error.get("decline_code"),
    )


def collects_card(session: Object) -> bool:
    """Whether the page collects a payment method; possible even when nothing is due today."""
    if session["mode"] == "setup" or session["amount_total"]:
        return True
    return bool(session["payment_method_collection"] == "always")


def on_intent_change(tx: Transaction, intent: Object, session_id: str) -> None:
    """Apply the result of a payment attempt or authentication to the session."""
    session = tx.param_object(KIND, session_id, param="session")
    if session["mode"] == "payment":
        session["payment_intent"] = intent["id"]
    if session["status"] == "open" and intent["status"] in COMPLETING_STATUSES:
        fulfilment.fulfil_session(tx, session, intent)
    elif session["status"] == "complete" and intent["status"] == "succeeded":
        session["payment_status"] = "paid"  # captured later


def on_debit_answer(tx: Transaction, intent: Object) -> None:
    """Set ``payment_status`` after the bank's answer to a debit, and emit the async event."""
    id = find_session_of(tx, intent)
    if id is None:
        return
    session = tx.param_object(KIND, id, param="session")
    if intent["status"] == "succeeded":
        session["payment_status"] = "paid"
        tx.emit("checkout.session.async_payment_succeeded", session)
    else:
        tx.emit("checkout.session.async_payment_failed", session)


payments.OWNER_LISTENERS[KIND] = on_intent_change
payments.DEBIT_LISTENERS.append(on_debit_answer)


def _pay_session(
    tx: Transaction, session: Object, record: Object, card: Params | str | None
) -> CheckoutResult:
    if not collects_card(session):
        _ensure_customer(tx, session, record)
        fulfilment.fulfil_session(tx, session, None)
        return CheckoutResult("complete")
    if card is None:
        raise invalid("Choose a card to pay with.", param="card")
    method = _create_method(tx, card, record)
    payment_method_types.check_offered(session, method["type"])
    customer = _ensure_customer(tx, session, record)
    if session["amount_total"]:
        return result_of_intent(_charge_session(tx, session, record, method, customer))
    return result_of_intent(_set_up(tx, session, record, method, customer))


def _charge_session(
    tx: Transaction, session: Object, record: Object, method: Object, customer: str | None
) -> Object:
    """Charge the amount due; a second attempt uses the same intent."""
    if record["intents"]:
        intent_id = record["intents"][0]
        intent = tx.param_object("payment_intent", intent_id, param="payment_intent")
        intent |= {
            "amount": session["amount_total"],
            "payment_method": method["id"],
            "status": "requires_confirmation",
        }
        payments.attempt_payment(tx, intent, off_session=False)
        return intent
    intent = payments.create_payment(
        tx,
        amount=session["amount_total"],
        currency=session["currency"],
        payment_method=method["id"],
        customer=customer,
        owner=(KIND, session["id"]),
        **_intent_fields(session, record),
    )
    record["intents"].append(intent["id"])
    return intent


def _intent_fields(session: Object, record: Object) -> Object:
    options = {
        "payment_method_options": {
            "card": payment_intent_object.card_options(_requested_authentication(session))
        }
    }
    if session["mode"] == "subscription":
        saved = {"description": "Subscription creation", "setup_future_usage": "off_session"}
        return {**saved, **options}
    return {"capture_method": "automatic_async", **record["payment_intent_data"], **options}


def _requested_authentication(session: Object) -> str:
    return str(session["payment_method_options"]["card"]["request_three_d_secure"])


def _set_up(
    tx: Transaction, session: Object, record: Object, method: Object, customer: str | None
) -> Object:
    """Save the card with a setup intent when nothing is due today."""
    params: Params = {
        "usage": "off_session",
        **record["setup_intent_data"],
        "payment_method_options": {
            "card": {"request_three_d_secure": _requested_authentication(session)}
        },
    }
    intent = setup_intents.create(tx, params | ({"customer": customer} if customer else {}))
    payment_intent_object.link_owner(tx, intent, (KIND, session["id"]))
    record["intents"].append(intent["id"])
    if session["mode"] == "setup":
        session["setup_intent"] = intent["id"]
    confirmed = setup_intents.confirm(tx, {"payment_method": method["id"]}, intent["id"])
    if confirmed["status"] == "succeeded":
        fulfilment.fulfil_session(tx, session, confirmed)
    return confirmed


def _create_method(tx: Transaction, card: Params | str, record: Object) -> Object:
    if isinstance(card, str):
        method = payment_methods.resolve_method(tx, card, param="payment_method")
    else:
        method = payment_methods.create(tx, {"type": "card", "card": card})
    for name in ("email", "name"):
        method["billing_details"][name] = record[name] or method["billing_details"][name]
    if record["address"]:
        method["billing_details"]["address"] = copy(record["address"])
    return method


def _record_buyer(tx: Transaction, session: Object, record: Object, buyer: BuyerDetails) -> None:
    """Record the buyer's data. An e-mail address set on the session has precedence."""
    session_email = (session["customer_details"] or {}).get("email")
    record["email"] = session_email or buyer.email or record["email"]
    record["name"] = buyer.name or record["name"]
    if buyer.address:
        billing_address.apply_address(tx, session, buyer.address)
    if not record["email"]:
        raise invalid("Enter an e-mail address.", param="email")


def _ensure_customer(tx: Transaction, session: Object, record: Object) -> str | None:
    """The session's customer; created at the first payment attempt if needed."""
    existing: str | None = session["customer"] or record["customer"]
    if existing:
        return existing
    saves = record["payment_intent_data"].get("setup_future_usage")
    if session["customer_creation"] != "always" and not saves:
        return None
    details = {name: record[name] for name in ("email", "name", "address")}
    customer = customers.create(tx, {name: value for name, value in details.items() if value})
    record["customer"] = customer["id"]
    return str(customer["id"])


def declined_result(failure: StripeFailure) -> CheckoutResult:
    """The buyer's result for a 402 error."""
    return CheckoutResult(
        "declined",
        message=failure.message,
        code=failure.code,
        decline_code=failure.details.get("decline_code"),
        param=failure.param,
    )
