"""Routes of payment intents, with Stripe's rules for each status."""

from __future__ import annotations

from stripe.params import (
    PaymentIntentCancelParams,
    PaymentIntentCaptureParams,
    PaymentIntentConfirmParams,
    PaymentIntentCreateParams,
    PaymentIntentListParams,
    PaymentIntentRetrieveParams,
    PaymentIntentUpdateParams,
)

from sandbox import payment_intent_object, payments
from sandbox.charge_amounts import check_amount
from sandbox.errors import StripeFailure, invalid, refuse_unsupported
from sandbox.objects import Object, Params, assign, copy, merge_metadata
from sandbox.pagination import list_page
from sandbox.resources import payment_methods
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

COPIED_PARAMS = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
)
UNSUPPORTED = (
    "amount_details",
    "application_fee_amount",
    "confirmation_token",
    "customer_account",
    "error_on_requires_action",
    "hooks",
    "mandate",
    "mandate_data",
    "on_behalf_of",
    "payment_details",
    "payment_method_configuration",
    "transfer_data",
    "transfer_group",
)
CHANGEABLE_STATUSES = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE_STATUSES = ("requires_payment_method", "requires_capture", "requires_confirmation",
              "requires_action", "processing")  # fmt: skip


@routes.post("/v1/payment_intents", PaymentIntentCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    check_amount(params["amount"], params["currency"].lower())
    if not params.get("confirm"):
        for name in ("off_session", "return_url"):
            if name in params:
                raise invalid(f"You cannot pass `{name}` when `confirm` is not true.", param=name)
    if "customer" in params:
        tx.param_object("customer", params["customer"], param="customer")
    intent = tx.insert(_build_intent(tx, params))
    payment_intent_object.apply_method_options(intent, params)
    _choose_method(tx, intent, params)
    tx.emit("payment_intent.created", intent)
    return _confirm_intent(tx, intent, params) if params.get("confirm") else intent


@routes.get("/v1/payment_intents/<id>", PaymentIntentRetrieveParams)
def retrieve(tx: Transaction, params: Params, intent_id: str) -> Object:
    intent = tx.path_object("payment_intent", intent_id)
    if params.get("client_secret", intent["client_secret"]) != intent["client_secret"]:
        raise invalid(
            "The client_secret provided does not match the client_secret associated with the "
            "PaymentIntent.",
            param="client_secret",
            code="payment_intent_invalid_parameter",
        )
    return intent


@routes.post("/v1/payment_intents/<id>", PaymentIntentUpdateParams)
def update(tx: Transaction, params: Params, intent_id: str) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    intent = tx.path_object("payment_intent", intent_id)
    frozen = [name for name in params if name not in ("metadata", "description", "receipt_email")]
    if frozen and intent["status"] not in CHANGEABLE_STATUSES:
        raise unexpected_state(
            intent,
            f"This PaymentIntent's {frozen[0]} could not be updated because it has a status of "
            f"{intent['status']}. You may only update the {frozen[0]} of a PaymentIntent with one "
            f"of the following statuses: {', '.join(CHANGEABLE_STATUSES)}.",
            param=frozen[0],
        )
    if "amount" in params or "currency" in params:
        intent["currency"] = str(params.get("currency") or intent["currency"]).lower()
        intent["amount"] = params.get("amount", intent["amount"])
        check_amount(intent["amount"], intent["currency"])
    if "customer" in params:
        tx.param_object("customer", params["customer"], param="customer")
        intent["customer"] = params["customer"]
    assign(intent, params, *COPIED_PARAMS, "capture_method")
    merge_metadata(intent, params.get("metadata"))
    payment_intent_object.apply_method_options(intent, params)
    _choose_method(tx, intent, params)
    return intent


@routes.post("/v1/payment_intents/<id>/confirm", PaymentIntentConfirmParams)
def confirm(tx: Transaction, params: Params, intent_id: str) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    intent = tx.path_object("payment_intent", intent_id)
    _refuse_session_intent(tx, intent, "confirm")
    if intent["status"] not in CHANGEABLE_STATUSES:
        already = "it has already succeeded after being previously confirmed"
        raise unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because "
            + (already if intent["status"] == "succeeded" else f"it is {intent['status']}")
            + ".",
        )
    assign(intent, params, *COPIED_PARAMS, "capture_method")
    payment_intent_object.apply_method_options(intent, params)
    _choose_method(tx, intent, params)
    return _confirm_intent(tx, intent, params)


@routes.post("/v1/payment_intents/<id>/capture", PaymentIntentCaptureParams)
def capture(tx: Transaction, params: Params, intent_id: str) -> Object:
    refuse_unsupported(params, *UNSUPPORTED, "final_capture")
    intent = tx.path_object("payment_intent", intent_id)
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            intent,
            "This PaymentIntent could not be captured because it has a status of "
            f"{intent['status']}. Only a PaymentIntent with one of the following statuses may be "
            "captured: requires_capture.",
        )
    amount: int = {"amount_to_capture": intent["amount_capturable"], **params}["amount_to_capture"]
    if not 1 <= amount <= intent["amount_capturable"]:
        raise invalid(
            f"The amount_to_capture must be between 1 and {intent['amount_capturable']}.",
            param="amount_to_capture",
            code="amount_too_large" if amount > 0 else "parameter_invalid_integer",
        )
    merge_metadata(intent, params.get("metadata"))
    payments.capture_payment(tx, intent, amount)
    return intent


@routes.post("/v1/payment_intents/<id>/cancel", PaymentIntentCancelParams)
def cancel(tx: Transaction, params: Params, intent_id: str) -> Object:
    intent = tx.path_object("payment_intent", intent_id)
    _refuse_session_intent(tx, intent, "cancel")
    _refuse_invoice_intent(tx, intent)
    if intent["status"] not in CANCELABLE_STATUSES:
        raise unexpected_state(
            intent,
            "You cannot cancel this PaymentIntent because it has a status of "
            f"{intent['status']}. Only a PaymentIntent with one of the following statuses may be "
            f"canceled: {', '.join(CANCELABLE_STATUSES)}.",
        )
    payments.cancel_payment(tx, intent, params.get("cancellation_reason"))
    return intent


@routes.get("/v1/payment_intents", PaymentIntentListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(intent: Object) -> bool:
        return bool(intent["customer"] == params.get("customer", intent["customer"]))

    return list_page(tx, "payment_intent", params, url="/v1/payment_intents", where=wanted)


def unexpected_state(intent: Object, message: str, *, param: str | None = None) -> StripeFailure:
    return StripeFailure(
        message, code="payment_intent_unexpected_state", param=param, payment_intent=copy(intent)
    )


def _build_intent(tx: Transaction, params: Params) -> Object:
    intent = payment_intent_object.build_intent(
        tx,
        amount=params["amount"],
        currency=params["currency"].lower(),
        customer=params.get("customer"),
        capture_method=params.get("capture_method", "automatic_async"),
        confirmation_method=params.get("confirmation_method", "automatic"),
        automatic_payment_methods=_automatic_payment_methods(params),
    )
    assign(
        intent,
        params,
        *COPIED_PARAMS,
        "allowed_payment_method_types",
        "excluded_payment_method_types",
    )
    merge_metadata(intent, params.get("metadata"))
    return intent


def _automatic_payment_methods(params: Params) -> Object | None:
    """Dynamic payment methods are the default since API version endive."""
    if "allowed_payment_method_types" in params:
        return None
    return {
        "allow_redirects": "always",
        "enabled": True,
        **params.get("automatic_payment_methods", {}),
    }


def _choose_method(tx: Transaction, intent: Object, params: Params) -> None:
    """Set the sent payment method; the intent then requires confirmation."""
    if "payment_method_data" in params:
        method = payment_methods.create(tx, params["payment_method_data"])
    elif "payment_method" in params:
        method = payment_methods.resolve_method(
            tx, params["payment_method"], param="payment_method"
        )
    else:
        return
    intent["payment_method"] = method["id"]
    intent["next_action"] = None
    intent["status"] = "requires_confirmation"


def _confirm_intent(tx: Transaction, intent: Object, params: Params) -> Object:
    if intent["payment_method"] is None:
        raise unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can "
            "either update the PaymentIntent with a payment method and then confirm it again, or "
            "confirm it again directly with a payment method or ConfirmationToken.",
        )
    off_session = bool(params.get("off_session"))
    _require_return_url(intent, params, off_session=off_session)
    payments.attempt_payment(
        tx, intent, off_session=off_session, return_url=params.get("return_url")
    )
    if intent["last_payment_error"]:
        raise payments.declined_error(intent)
    return intent


def _require_return_url(intent: Object, params: Params, *, off_session: bool) -> None:
    automatic = intent["automatic_payment_methods"] or {}
    may_redirect = automatic.get("enabled") and automatic.get("allow_redirects") != "never"
    if may_redirect and not off_session and "return_url" not in params:
        raise invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. "
            "Because some of these payment methods might redirect your customer off of your page, "
            "you must provide a `return_url`. If you don't want to accept redirect-based payment "
            "methods, set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents "
            "and Payment Intents."
        )


def _refuse_session_intent(tx: Transaction, intent: Object, verb: str) -> None:
    owner = payment_intent_object.find_owner(tx, intent)
    if owner and owner[0] == "checkout.session":
        raise unexpected_state(
            intent,
            f"You cannot {verb} this PaymentIntent because it was created by a Checkout Session. "
            "Expire the session instead.",
        )


def _refuse_invoice_intent(tx: Transaction, intent: Object) -> None:
    owner = payment_intent_object.find_owner(tx, intent)
    if owner and owner[0] == "invoice":
        raise unexpected_state(
            intent,
            "You cannot cancel this PaymentIntent because it was created by an invoice. Void the "
            "invoice instead.",
        )
