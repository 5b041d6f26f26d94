"""The buyer pays: what the hosted page, the controls and the tests' buyer all end in.

``complete`` never raises for a card that is refused; its ``Outcome`` says what to show.
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
DONE = ("succeeded", "requires_capture", "processing")
"""What completes a session; a debit's outcome comes days later."""
CLOSED = {
    "complete": "This Checkout Session is already complete.",
    "expired": "This Checkout Session has expired.",
}


@dataclass(frozen=True)
class Buyer:
    email: str | None = None
    name: str | None = None
    address: Params | None = None


@dataclass(frozen=True)
class Outcome:
    """``complete``, ``declined`` in the bank's words, or ``requires_action`` on another page."""

    status: Literal["complete", "declined", "requires_action"]
    url: str | None = None
    message: str | None = None
    code: str | None = None
    decline_code: str | None = None
    param: str | None = None


def complete(
    tx: Transaction, session: Object, *, card: Params | str | None, buyer: Buyer
) -> Outcome:
    """Try to complete the session with a typed card, a test token or a saved payment method.

    Raises 400 if the session is no longer open, or lacks a card or an e-mail address.
    """
    if session["status"] == "open" and session["expires_at"] <= tx.now:
        raise invalid(CLOSED["expired"])  # the clock passed it and the engine has yet to look
    if session["status"] != "open":
        raise invalid(CLOSED[session["status"]])
    session_discounts.check_still_redeemable(tx, session)
    record = session_records.of(tx, session)
    _know_buyer(tx, session, record, buyer)
    billing_address.check_known(tx, session)
    order = (
        event_order.ONE_TIME_PAYMENT if session["mode"] == "payment" else event_order.FIRST_PAYMENT
    )
    with tx.arranged(order):
        try:
            return _complete(tx, session, record, card)
        except StripeFailure as failure:
            if failure.status != 402:
                raise
            return declined(failure)


def authenticate(tx: Transaction, intent: Object, *, succeeds: bool) -> Outcome:
    """The payer went through 3-D Secure, or gave up; the session follows."""
    owner = payment_intent_object.owner_of(tx, intent)
    order = event_order.FIRST_PAYMENT if owner and owner[0] == KIND else ()
    with tx.arranged(order):
        if intent["object"] == "payment_intent":
            payments.authenticate(tx, intent, succeeds=succeeds)
        else:
            setup_intents.authenticate(tx, intent, succeeds=succeeds)
            if owner and intent["status"] == "succeeded":
                session = tx.param_object(KIND, owner[1], param="session")
                fulfilment.fulfil(tx, session, intent)
    return outcome_of(intent)


def session_of(tx: Transaction, intent: Object) -> str | None:
    """The session that the intent was made for, also after its invoice took it over."""
    return next(
        iter(tx.ids(session_records.KIND, lambda record: intent["id"] in record["intents"])), None
    )


def outcome_of(intent: Object) -> Outcome:
    """What an intent's status means to the buyer."""
    match intent["status"]:
        case "succeeded" | "requires_capture" | "processing":
            return Outcome("complete")
        case "requires_action":
            url = intent["next_action"]["redirect_to_url"]["url"]
            return Outcome("requires_action", url=url)
    error = intent.get("last_payment_error") or intent.get("last_setup_error") or {}
    return Outcome(
        "declined",
        message=error.get("message"),
        code=error.get("code"),
        decline_code=error.get("decline_code"),
    )


def collects_card(session: Object) -> bool:
    """Whether the page asks for a card although nothing may be due today."""
    if session["mode"] == "setup" or session["amount_total"]:
        return True
    return bool(session["payment_method_collection"] == "always")


def follow(tx: Transaction, intent: Object, session_id: str) -> None:
    """Hear how a payment for a session went, now or after the payer authenticated."""
    session = tx.param_object(KIND, session_id, param="session")
    if session["mode"] == "payment":
        session["payment_intent"] = intent["id"]
    if session["status"] == "open" and intent["status"] in DONE:
        fulfilment.fulfil(tx, session, intent)
    elif session["status"] == "complete" and intent["status"] == "succeeded":
        session["payment_status"] = "paid"  # captured later


def hear_of_debit(tx: Transaction, intent: Object) -> None:
    """The bank answered to the debit with which a buyer completed a session, if one did."""
    id = session_of(tx, intent)
    if id is None:
        return
    session = tx.param_object(KIND, id, param="session")
    if intent["status"] == "succeeded":
        session["payment_status"] = "paid"
        tx.emit("checkout.session.async_payment_succeeded", session)
    else:
        tx.emit("checkout.session.async_payment_failed", session)


payments.FOLLOWERS[KIND] = follow
payments.AFTER_DEBITS.append(hear_of_debit)


def _complete(
    tx: Transaction, session: Object, record: Object, card: Params | str | None
) -> Outcome:
    if not collects_card(session):
        _ensure_customer(tx, session, record)
        fulfilment.fulfil(tx, session, None)
        return Outcome("complete")
    if card is None:
        raise invalid("Choose a card to pay with.", param="card")
    method = _method(tx, card, record)
    payment_method_types.check(session, method["type"])
    customer = _ensure_customer(tx, session, record)
    if session["amount_total"]:
        return outcome_of(_pay(tx, session, record, method, customer))
    return outcome_of(_set_up(tx, session, record, method, customer))


def _pay(
    tx: Transaction, session: Object, record: Object, method: Object, customer: str | None
) -> Object:
    """Charge what is due; a second try uses the same intent."""
    if record["intents"]:
        known = record["intents"][0]
        intent = tx.param_object("payment_intent", known, param="payment_intent")
        intent |= {
            "amount": session["amount_total"],
            "payment_method": method["id"],
            "status": "requires_confirmation",
        }
        payments.attempt(tx, intent, off_session=False)
        return intent
    intent = payments.charge(
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
            "card": payment_intent_object.card_options(_authentication(session))
        }
    }
    if session["mode"] == "subscription":
        saved = {"description": "Subscription creation", "setup_future_usage": "off_session"}
        return {**saved, **options}
    return {"capture_method": "automatic_async", **record["payment_intent_data"], **options}


def _authentication(session: Object) -> str:
    return str(session["payment_method_options"]["card"]["request_three_d_secure"])


def _set_up(
    tx: Transaction, session: Object, record: Object, method: Object, customer: str | None
) -> Object:
    """Nothing is due today: save the card for later."""
    params: Params = {
        "usage": "off_session",
        **record["setup_intent_data"],
        "payment_method_options": {"card": {"request_three_d_secure": _authentication(session)}},
    }
    intent = setup_intents.create(tx, params | ({"customer": customer} if customer else {}))
    payment_intent_object.own(tx, intent, (KIND, session["id"]))
    record["intents"].append(intent["id"])
    if session["mode"] == "setup":
        session["setup_intent"] = intent["id"]
    confirmed = setup_intents.confirm(tx, {"payment_method": method["id"]}, intent["id"])
    if confirmed["status"] == "succeeded":
        fulfilment.fulfil(tx, session, confirmed)
    return confirmed


def _method(tx: Transaction, card: Params | str, record: Object) -> Object:
    if isinstance(card, str):
        method = payment_methods.resolve(tx, card, param="payment_method")
    else:
        method = payment_methods.create(tx, {"type": "card", "card": card})
    for name in ("email", "name"):
        method["billing_details"][name] = record[name] or method["billing_details"][name]
    if record["address"]:
        method["billing_details"]["address"] = copy(record["address"])
    return method


def _know_buyer(tx: Transaction, session: Object, record: Object, buyer: Buyer) -> None:
    """What was given with the session stands; the rest is what the buyer types."""
    known = (session["customer_details"] or {}).get("email")
    record["email"] = known or buyer.email or record["email"]
    record["name"] = buyer.name or record["name"]
    if buyer.address:
        billing_address.enter(tx, session, buyer.address)
    if not record["email"]:
        raise invalid("Enter an e-mail address.", param="email")


def _ensure_customer(tx: Transaction, session: Object, record: Object) -> str | None:
    """The session's customer; one is made when its payment is attempted, as Stripe says."""
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


def declined(failure: StripeFailure) -> Outcome:
    """What a 402 means to the buyer."""
    return Outcome(
        "declined",
        message=failure.message,
        code=failure.code,
        decline_code=failure.details.get("decline_code"),
        param=failure.param,
    )
