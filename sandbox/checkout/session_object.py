"""The Checkout Session object: all fields of a new one."""

from __future__ import annotations

from sandbox.addresses import build_address
from sandbox.billing import taxes
from sandbox.checkout import payment_method_types
from sandbox.checkout.param_rules import HOSTED, MAX_LIFETIME_SECONDS
from sandbox.objects import Object, Params, copy, merge_metadata
from sandbox.transaction import Transaction

COPIED_PARAMS = (
    "allow_promotion_codes",
    "allowed_payment_method_types",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_email",
    "excluded_payment_method_types",
    "integration_identifier",
    "locale",
    "origin_context",
    "submit_type",
    "success_url",
)


def build_session(tx: Transaction, params: Params, *, currency: str) -> Object:
    """A session without amounts; ``session_amounts.compute_amounts`` sets them."""
    id = tx.new_id("cs_test")
    mode = params["mode"]
    session: Object = {
        "id": id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": _automatic_tax(params),
        "branding_settings": copy(params.get("branding_settings")),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": tx.now,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": _custom_text(params),
        "customer_account": None,
        "customer_creation": _customer_creation(params),
        "customer_details": _initial_details(tx, params),
        "discounts": [],
        "expires_at": params.get("expires_at", tx.now + MAX_LIFETIME_SECONDS),
        "invoice": None,
        "invoice_creation": _invoice_creation() if mode == "payment" else None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "mode": mode,
        "name_collection": None,
        "optional_items": [],
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": params.get(
            "payment_method_collection", "always" if mode != "payment" else "if_required"
        ),
        "payment_method_configuration_details": None,
        "payment_method_options": _method_options(params),
        "payment_method_types": payment_method_types.list_offered(params, currency),
        "payment_status": "no_payment_required",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": _saved_options(params),
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "subscription": None,
        "tax_id_collection": {
            "enabled": False,
            "required": "never",
            **params.get("tax_id_collection", {}),
        },
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": params.get("ui_mode", HOSTED),
        "url": None,
        "wallet_options": copy(params.get("wallet_options")),
        **{name: copy(params.get(name)) for name in COPIED_PARAMS},
    }
    _set_page_address(tx, session, params)
    merge_metadata(session, params.get("metadata"))
    return session


def _automatic_tax(params: Params) -> Object:
    if params.get("automatic_tax", {}).get("enabled"):
        return taxes.enabled_automatic_tax()
    return {"enabled": False, "liability": None, "provider": None, "status": None}


def build_customer_details(
    email: str | None,
    name: str | None = None,
    known_address: Object | None = None,
    tax_exempt: str = "none",
) -> Object:
    """``customer_details``: the buyer's known data."""
    return {
        "address": copy(known_address) or build_address({}),
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": tax_exempt,
        "tax_ids": [],
    }


def _set_page_address(tx: Transaction, session: Object, params: Params) -> None:
    """Set ``url`` for the sandbox's page, or a client secret for the caller's page."""
    if session["ui_mode"] == HOSTED:
        session["url"] = f"{tx.world.base_url}/pages/checkout/{session['id']}"
        return
    session["client_secret"] = f"{session['id']}_secret_{tx.world.ids.token(56)}"
    session["return_url"] = params.get("return_url")
    session["redirect_on_completion"] = params.get("redirect_on_completion", "always")


def _initial_details(tx: Transaction, params: Params) -> Object | None:
    if "customer" in params:
        customer = tx.param_object("customer", params["customer"], param="customer")
        return build_customer_details(
            customer["email"], known_address=customer["address"], tax_exempt=customer["tax_exempt"]
        )
    return build_customer_details(params["customer_email"]) if "customer_email" in params else None


def _customer_creation(params: Params) -> str | None:
    if "customer" in params:
        return None
    if params["mode"] == "subscription":
        return "always"
    creation: str = params.get("customer_creation", "if_required")
    return creation


def _custom_text(params: Params) -> Object:
    names = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    params_by_place = params.get("custom_text", {})
    return {name: copy(params_by_place.get(name)) or None for name in names}


def _saved_options(params: Params) -> Object | None:
    if "customer" not in params and params["mode"] == "payment":
        return None
    return {
        "allow_redisplay_filters": ["always"],
        "payment_method_remove": "disabled",
        "payment_method_save": None,
        **params.get("saved_payment_method_options", {}),
    }


def _method_options(params: Params) -> Object:
    options = copy(params.get("payment_method_options", {}))
    card = {"request_three_d_secure": "automatic", **options.get("card", {})}
    return {**options, "card": card}


def _invoice_creation() -> Object:
    names = ("account_tax_ids", "custom_fields", "description", "footer", "issuer")
    data = dict.fromkeys((*names, "rendering_options"))
    return {"enabled": False, "invoice_data": {**data, "metadata": {}}}
