"""Rules for combining parameters of a checkout session. Each raises 400 with Stripe's text."""

from __future__ import annotations

from sandbox.checkout import billing_address
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Params
from sandbox.transaction import Transaction

HOSTED = "hosted_page"
UNSUPPORTED = (
    "after_expiration",
    "consent_collection",
    "custom_fields",
    "customer_account",
    "managed_payments",
    "name_collection",
    "optional_items",
    "payment_method_configuration",
    "payment_method_data",
    "permissions",
    "shipping_address_collection",
    "shipping_options",
)
ENABLED_UNSUPPORTED = (
    "invoice_creation",
    "phone_number_collection",
)
MODES_OF_PARAM = {
    "payment_intent_data": ("payment",),
    "invoice_creation": ("payment",),
    "submit_type": ("payment", "subscription"),
    "subscription_data": ("subscription",),
    "payment_method_collection": ("subscription",),
    "setup_intent_data": ("setup",),
    "customer_creation": ("payment", "setup"),
    "line_items": ("payment", "subscription"),
    "allow_promotion_codes": ("payment", "subscription"),
    "discounts": ("payment", "subscription"),
}
EXCLUSIVE_PAIRS = (
    ("customer", "customer_email"),
    ("customer", "customer_creation"),
    ("allow_promotion_codes", "discounts"),
    ("allowed_payment_method_types", "excluded_payment_method_types"),
)
MIN_LIFETIME_SECONDS, MAX_LIFETIME_SECONDS = 30 * 60, 24 * 3600
MAX_REFERENCE_LENGTH = 200


def check_params(tx: Transaction, params: Params) -> None:
    """Check all parameters except ``line_items``, which ``line_items.read_line_items`` checks."""
    if "mode" not in params:
        raise missing_param("mode")
    _check_mode(params)
    _check_exclusive(params)
    _check_urls(params)
    _check_expiry(tx, params)
    _check_customer(tx, params)
    _check_supported(params)
    billing_address.check_tax_params(tx, params)
    if params["mode"] == "setup":
        _check_setup(params)
    elif not params.get("line_items"):
        raise missing_param("line_items")


def _check_mode(params: Params) -> None:
    for name, modes in MODES_OF_PARAM.items():
        if name in params and params["mode"] not in modes:
            raise invalid(f"You can not pass `{name}` in `{params['mode']}` mode.", param=name)


def _check_exclusive(params: Params) -> None:
    for pair in EXCLUSIVE_PAIRS:
        if all(name in params for name in pair):
            raise invalid(
                f"You may only specify one of these parameters: {', '.join(pair)}.", param=pair[1]
            )


def _check_urls(params: Params) -> None:
    """Check the return URLs:

    ``success_url`` for a hosted page, ``return_url`` for an embedded one.
    """
    if params.get("ui_mode", HOSTED) == HOSTED:
        needed, unwanted = "success_url", ("return_url", "redirect_on_completion")
    else:
        needed, unwanted = "return_url", ("success_url", "cancel_url")
    for name in unwanted:
        if name in params:
            raise invalid(
                f"`{name}` can not be used with `ui_mode: {params.get('ui_mode', HOSTED)}`.",
                param=name,
            )
    if needed not in params and params.get("redirect_on_completion") != "never":
        raise missing_param(needed)


def _check_expiry(tx: Transaction, params: Params) -> None:
    if "expires_at" not in params:
        return
    lifetime = params["expires_at"] - tx.now
    if lifetime < MIN_LIFETIME_SECONDS:
        raise invalid(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session "
            "creation.",
            param="expires_at",
        )
    if lifetime > MAX_LIFETIME_SECONDS:
        raise invalid(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
            param="expires_at",
        )


def _check_customer(tx: Transaction, params: Params) -> None:
    if "customer" in params:
        tx.param_object("customer", params["customer"], param="customer")
    elif "customer_update" in params:
        raise invalid(
            "`customer_update` can only be used with `customer`.", param="customer_update"
        )
    reference = params.get("client_reference_id", "x")
    if not 1 <= len(reference) <= MAX_REFERENCE_LENGTH:
        raise invalid(
            f"Invalid string: must be between 1 and {MAX_REFERENCE_LENGTH} characters.",
            param="client_reference_id",
        )


def _check_supported(params: Params) -> None:
    refuse_unsupported(params, *UNSUPPORTED)
    for name in ENABLED_UNSUPPORTED:
        if params.get(name, {}).get("enabled"):
            raise invalid(f"The sandbox does not support `{name}` here.", param=f"{name}[enabled]")


def _check_setup(params: Params) -> None:
    if "currency" not in params and "allowed_payment_method_types" not in params:
        raise missing_param("currency")
