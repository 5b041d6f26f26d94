"""Setup intents: save a card for later payments, with 3-D Secure if the bank requires it."""

from __future__ import annotations

from stripe.params import (
    SetupIntentCancelParams,
    SetupIntentConfirmParams,
    SetupIntentCreateParams,
    SetupIntentListParams,
    SetupIntentRetrieveParams,
    SetupIntentUpdateParams,
)

from sandbox import payment_intent_object, payments
from sandbox.cards import Authentication, Decline
from sandbox.errors import StripeFailure, invalid, refuse_unsupported
from sandbox.objects import Object, Params, assign, copy, merge_metadata
from sandbox.pagination import list_page
from sandbox.resources import payment_methods
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

OPEN_STATUSES = ("requires_payment_method", "requires_confirmation", "requires_action")
UNSUPPORTED = (
    "attach_to_self",
    "confirmation_token",
    "customer_account",
    "flow_directions",
    "mandate_data",
    "on_behalf_of",
    "payment_method_configuration",
    "single_use",
)
AUTHENTICATION_FAILED = Decline(
    "setup_intent_authentication_failure",
    None,
    "The latest attempt to set up the payment method has failed because authentication failed.",
    None,
)


@routes.post("/v1/setup_intents", SetupIntentCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    if "customer" in params:
        tx.param_object("customer", params["customer"], param="customer")
    intent = tx.insert(_build_intent(tx, params))
    payment_intent_object.apply_method_options(intent, params)
    _choose_method(tx, intent, params)
    tx.emit("setup_intent.created", intent)
    return _confirm_intent(tx, intent, params) if params.get("confirm") else intent


@routes.get("/v1/setup_intents/<id>", SetupIntentRetrieveParams)
def retrieve(tx: Transaction, params: Params, intent_id: str) -> Object:
    return tx.path_object("setup_intent", intent_id)


@routes.post("/v1/setup_intents/<id>", SetupIntentUpdateParams)
def update(tx: Transaction, params: Params, intent_id: str) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    intent = tx.path_object("setup_intent", intent_id)
    if "customer" in params:
        tx.param_object("customer", params["customer"], param="customer")
    assign(intent, params, "customer", "description")
    merge_metadata(intent, params.get("metadata"))
    payment_intent_object.apply_method_options(intent, params)
    _choose_method(tx, intent, params)
    return intent


@routes.post("/v1/setup_intents/<id>/confirm", SetupIntentConfirmParams)
def confirm(tx: Transaction, params: Params, intent_id: str) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    intent = tx.path_object("setup_intent", intent_id)
    _require_open(intent, "confirm")
    payment_intent_object.apply_method_options(intent, params)
    _choose_method(tx, intent, params)
    return _confirm_intent(tx, intent, params)


@routes.post("/v1/setup_intents/<id>/cancel", SetupIntentCancelParams)
def cancel(tx: Transaction, params: Params, intent_id: str) -> Object:
    intent = tx.path_object("setup_intent", intent_id)
    _require_open(intent, "cancel")
    intent |= {
        "status": "canceled",
        "cancellation_reason": params.get("cancellation_reason"),
        "next_action": None,
    }
    tx.emit("setup_intent.canceled", intent)
    return intent


@routes.get("/v1/setup_intents", SetupIntentListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(intent: Object) -> bool:
        return all(
            intent[name] == params.get(name, intent[name])
            for name in ("customer", "payment_method")
        )

    return list_page(tx, "setup_intent", params, url="/v1/setup_intents", where=wanted)


def finish_authentication(tx: Transaction, intent: Object, *, succeeds: bool) -> None:
    """Finish 3-D Secure, successfully or not. Raises 400 if the intent does not require it."""
    if intent["status"] != "requires_action":
        raise invalid(f"SetupIntent {intent['id']} does not wait for authentication.")
    method = tx.param_object("payment_method", intent["payment_method"], param="payment_method")
    if succeeds:
        _complete_intent(tx, intent, method)
    else:
        _fail_intent(tx, intent, method, AUTHENTICATION_FAILED)


def _confirm_intent(tx: Transaction, intent: Object, params: Params) -> Object:
    if intent["payment_method"] is None:
        raise _unexpected_state(
            intent,
            "You cannot confirm this SetupIntent because it's missing a payment method. Update "
            "the SetupIntent with a payment method and then confirm it again.",
        )
    method = tx.param_object("payment_method", intent["payment_method"], param="payment_method")
    payment_methods.check_usable(tx, method)
    card = payment_methods.find_card(tx, method)
    if _must_authenticate(intent, card.authentication):
        intent["status"] = "requires_action"
        intent["next_action"] = payments.build_redirect(tx, intent["id"], params.get("return_url"))
        tx.emit("setup_intent.requires_action", intent)
    elif card.decline and not card.attachable:
        _fail_intent(tx, intent, method, card.decline)
        raise _declined_error(intent)
    else:
        _complete_intent(tx, intent, method)
    return intent


def _complete_intent(tx: Transaction, intent: Object, method: Object) -> None:
    if intent["customer"]:
        payment_methods.attach_method(tx, method, intent["customer"])
    payment_methods.mark_method(tx, method, set_up=True)
    intent |= {"status": "succeeded", "next_action": None, "last_setup_error": None}
    tx.emit("setup_intent.succeeded", intent)


def _fail_intent(tx: Transaction, intent: Object, method: Object, decline: Decline) -> None:
    intent |= {
        "status": "requires_payment_method",
        "next_action": None,
        "payment_method": None,
        "last_setup_error": payments.last_error(decline, method),
    }
    tx.emit("setup_intent.setup_failed", intent)


def _declined_error(intent: Object) -> StripeFailure:
    return payments.build_declined_error(intent["last_setup_error"], setup_intent=copy(intent))


def _require_open(intent: Object, verb: str) -> None:
    if intent["status"] not in OPEN_STATUSES:
        raise _unexpected_state(
            intent,
            f"You cannot {verb} this SetupIntent because it has a status of {intent['status']}.",
        )


def _unexpected_state(intent: Object, message: str) -> StripeFailure:
    return StripeFailure(message, code="setup_intent_unexpected_state", setup_intent=copy(intent))


def _choose_method(tx: Transaction, intent: Object, params: Params) -> None:
    if "payment_method_data" in params:
        method = payment_methods.create(tx, params["payment_method_data"])
    elif "payment_method" in params:
        method = payment_methods.resolve_method(
            tx, params["payment_method"], param="payment_method"
        )
    else:
        return
    intent |= {
        "payment_method": method["id"],
        "next_action": None,
        "status": "requires_confirmation",
    }


def _must_authenticate(intent: Object, authentication: Authentication) -> bool:
    if authentication == Authentication.WHEN_REQUESTED:
        return payment_intent_object.requests_authentication(intent)
    return authentication in (Authentication.ALWAYS, Authentication.UNLESS_SET_UP)


def _build_intent(tx: Transaction, params: Params) -> Object:
    id = tx.new_id("seti")
    automatic = {"allow_redirects": "always", "enabled": True}
    intent: Object = {
        "id": id,
        "object": "setup_intent",
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "application": None,
        "automatic_payment_methods": automatic | params.get("automatic_payment_methods", {}),
        "cancellation_reason": None,
        "client_secret": f"{id}_secret_{tx.world.ids.token(25)}",
        "created": tx.now,
        "customer": params.get("customer"),
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": params.get("excluded_payment_method_types"),
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    }
    merge_metadata(intent, params.get("metadata"))
    return intent
