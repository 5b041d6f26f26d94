"""Payment methods: cards and bank accounts, by test token or number."""

from __future__ import annotations

from typing import Any

from stripe.params import (
    CustomerPaymentMethodListParams,
    PaymentMethodAttachParams,
    PaymentMethodCreateParams,
    PaymentMethodDetachParams,
    PaymentMethodListParams,
    PaymentMethodRetrieveParams,
    PaymentMethodUpdateParams,
)

from sandbox import bank_accounts, card_entry, cards
from sandbox.addresses import build_address
from sandbox.bank_accounts import BankAccount
from sandbox.cards import Card, Decline
from sandbox.errors import StripeFailure, invalid, missing_param
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

CARD_RECORD = "_card"
"""Record kind: fingerprint of the card or account, and whether it was set up or used up."""


@routes.post("/v1/payment_methods", PaymentMethodCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    if "type" not in params:
        raise missing_param("type")
    method_type = params["type"]
    if method_type in bank_accounts.CURRENCY:
        method = insert_from_account(
            tx, bank_accounts.find_account(method_type, params), params[method_type]
        )
        _apply_params(method, params)
        return method
    if method_type != "card":
        supported = ", ".join(("card", *bank_accounts.CURRENCY))
        raise invalid(f"This sandbox supports payment methods of type {supported}.", param="type")
    if "card" not in params:
        raise missing_param("card")
    method = insert_from_card(
        tx, card_entry.find_card(params["card"], year=card_entry.year_of(tx.now)), params["card"]
    )
    _apply_params(method, params)
    return method


@routes.get("/v1/payment_methods/<id>", PaymentMethodRetrieveParams)
def retrieve(tx: Transaction, params: Params, method_id: str) -> Object:
    return tx.path_object("payment_method", method_id)


@routes.post("/v1/payment_methods/<id>", PaymentMethodUpdateParams)
def update(tx: Transaction, params: Params, method_id: str) -> Object:
    method = tx.path_object("payment_method", method_id)
    if method["customer"] is None:
        raise invalid(
            "You must save this PaymentMethod to a customer before you can update it.",
            param="payment_method",
        )
    with tx.updating(method, "payment_method.updated"):
        _apply_params(method, params)
        if method["type"] == "card":
            assign(method["card"], params.get("card", {}), "exp_month", "exp_year")
    return method


@routes.get("/v1/payment_methods", PaymentMethodListParams)
def list_(tx: Transaction, params: Params) -> Object:
    return _list_page(tx, params, "/v1/payment_methods", params.get("customer"))


@routes.get("/v1/customers/<id>/payment_methods", CustomerPaymentMethodListParams)
def list_of_customer(tx: Transaction, params: Params, method_id: str) -> Object:
    tx.path_object("customer", method_id)
    return _list_page(tx, params, f"/v1/customers/{method_id}/payment_methods", method_id)


@routes.get("/v1/customers/<customer>/payment_methods/<id>")
def retrieve_of_customer(tx: Transaction, params: Params, customer: str, method_id: str) -> Object:
    tx.path_object("customer", customer)
    method = tx.path_object("payment_method", method_id)
    if method["customer"] != customer:
        raise StripeFailure(
            f"No such payment_method: '{method_id}'",
            status=404,
            code="resource_missing",
            param="id",
        )
    return method


@routes.post("/v1/payment_methods/<id>/attach", PaymentMethodAttachParams)
def attach(tx: Transaction, params: Params, method_id: str) -> Object:
    if "customer" not in params:
        raise missing_param("customer")
    customer = tx.param_object("customer", params["customer"], param="customer")
    method = resolve_method(tx, method_id, param="payment_method", in_path=True)
    card = find_card(tx, method)
    if card.decline and not card.attachable:
        raise declined_error(card.decline, payment_method=None)
    attach_method(tx, method, customer["id"])
    return method


@routes.post("/v1/payment_methods/<id>/detach", PaymentMethodDetachParams)
def detach(tx: Transaction, params: Params, method_id: str) -> Object:
    method = tx.path_object("payment_method", method_id)
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible.",
            param="payment_method",
        )
    customer = tx.get("customer", method["customer"])
    with tx.updating(method, "payment_method.detached"):
        method["customer"] = None
    mark_method(tx, method, spent=True)
    if customer and not customer.get("deleted"):
        with tx.updating(customer, "customer.updated"):
            settings = customer["invoice_settings"]
            if settings["default_payment_method"] == method_id:
                settings["default_payment_method"] = None
    return method


def resolve_method(tx: Transaction, method_id: str, *, param: str, in_path: bool = False) -> Object:
    """The payment method, or a new one for a test token such as ``pm_card_visa``."""
    card = cards.find_card_by_token(method_id)
    if card:
        return insert_from_card(tx, card, {"cvc": "123"})
    if account := bank_accounts.BY_TOKEN.get(method_id):
        method = insert_from_account(tx, account, {})
        method["billing_details"]["name"] = "Test Holder"
        return method
    if in_path:
        return tx.path_object("payment_method", method_id)
    return tx.param_object("payment_method", method_id, param=param)


def attach_method(tx: Transaction, method: Object, customer: str) -> None:
    """Attach the method to the customer; no change if it is attached already."""
    if method["customer"] == customer:
        return
    check_usable(tx, method)
    if method["customer"] is not None:
        raise invalid(
            "The payment method you provided has already been attached to a customer.",
            param="payment_method",
        )
    method["customer"] = customer
    tx.emit("payment_method.attached", method)


def check_usable(tx: Transaction, method: Object) -> None:
    """Raise 400 for a method that was used once without a customer, or was detached."""
    record = tx.get(CARD_RECORD, method["id"])
    if record and record["spent"] and method["customer"] is None:
        raise invalid(
            "This PaymentMethod was previously used with a PaymentIntent without Customer "
            "attachment, shared with a connected account without Customer attachment, or was "
            "detached from a Customer. It may not be used again. To use a PaymentMethod multiple "
            "times, you must attach it to a Customer first.",
            param="payment_method",
        )


def find_card(tx: Transaction, method: Object) -> Card | BankAccount:
    """The test card or test bank account of the method."""
    record = tx.get(CARD_RECORD, method["id"])
    assert record, "each payment method has a card record"
    card = cards.BY_FINGERPRINT.get(record["fingerprint"])
    return card or bank_accounts.BY_FINGERPRINT[record["fingerprint"]]


def is_set_up(tx: Transaction, method: Object) -> bool:
    """Whether the customer has authenticated this card for off-session use."""
    record = tx.get(CARD_RECORD, method["id"])
    return bool(record and record["set_up"])


def mark_method(
    tx: Transaction, method: Object, *, set_up: bool = False, spent: bool = False
) -> None:
    record = tx.get(CARD_RECORD, method["id"])
    if record:
        record["set_up"] |= set_up
        record["spent"] |= spent


def declined_error(decline: Decline, **details: Any) -> StripeFailure:
    """The 402 error of a decline. Effects before it are kept."""
    return StripeFailure(
        decline.message,
        status=402,
        error_type="card_error",
        code=decline.code,
        keep_effects=True,
        decline_code=decline.decline_code,
        advice_code=decline.advice_code,
        **details,
    )


def insert_from_card(tx: Transaction, card: Card, details: Params) -> Object:
    return _insert_method(tx, card, "card", _card_hash(tx, card, details))


def insert_from_account(tx: Transaction, account: BankAccount, details: Params) -> Object:
    return _insert_method(
        tx, account, account.type, bank_accounts.payment_method_hash(account, details)
    )


def _insert_method(
    tx: Transaction, card: Card | BankAccount, method_type: str, details: Object
) -> Object:
    method = _build_method(tx, method_type, details)
    record = {"object": CARD_RECORD, "id": method["id"], "fingerprint": card.fingerprint}
    tx.insert({**record, "set_up": False, "spent": False})
    return tx.insert(method)


def _card_hash(tx: Transaction, card: Card, details: Params) -> Object:
    return {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass" if details.get("cvc") else None,
        },
        "country": "US",
        "display_brand": card.brand,
        "exp_month": details.get("exp_month", 12),
        "exp_year": details.get("exp_year", card_entry.year_of(tx.now) + 3),
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _build_method(tx: Transaction, method_type: str, details: Object) -> Object:
    return {
        "id": tx.new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": empty_billing_details(),
        method_type: details,
        "created": tx.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": method_type,
    }


def empty_billing_details() -> Object:
    return {
        "address": build_address({}),
        "email": None,
        "name": None,
        "phone": None,
        "tax_id": None,
    }


def _apply_params(method: Object, params: Params) -> None:
    assign(method, params, "allow_redisplay")
    billing = params.get("billing_details", {})
    assign(method["billing_details"], billing, "email", "name", "phone", "tax_id")
    if "address" in billing:
        method["billing_details"]["address"] = build_address(billing["address"] or {})
    merge_metadata(method, params.get("metadata"))


def _list_page(tx: Transaction, params: Params, url: str, customer: str | None) -> Object:
    def wanted(method: Object) -> bool:
        if customer is None or method["customer"] != customer:
            return False
        return all(
            method[name] == params.get(name, method[name]) for name in ("allow_redisplay", "type")
        )

    return list_page(tx, "payment_method", params, url=url, where=wanted)
