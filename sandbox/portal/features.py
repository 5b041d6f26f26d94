"""Features of a portal configuration, with Stripe's defaults."""

from __future__ import annotations

from sandbox.billing import pricing
from sandbox.errors import invalid, missing_param
from sandbox.objects import Object, Params, copy
from sandbox.transaction import Transaction

CANCELLATION_REASONS = [
    "too_expensive",
    "missing_features",
    "switched_service",
    "unused",
    "customer_service",
    "too_complex",
    "low_quality",
    "other",
]
LIST_PARAMS = ("allowed_updates", "default_allowed_updates", "products", "options", "conditions")
"""List parameters; an empty string sets an empty list."""


def default_features() -> Object:
    return {
        "customer_update": {"allowed_updates": [], "enabled": False},
        "invoice_history": {"enabled": False},
        "payment_method_update": {"enabled": False, "payment_method_configuration": None},
        "subscription_cancel": {
            "cancellation_reason": {
                "enabled": False,
                "feedback_options": None,
                "options": list(CANCELLATION_REASONS),
            },
            "enabled": False,
            "mode": "at_period_end",
            "proration_behavior": "none",
        },
        "subscription_pause": {
            "duration": {"interval_options": [], "type": "indefinite"},
            "enabled": False,
        },
        "subscription_update": {
            "billing_cycle_anchor": None,
            "default_allowed_updates": [],
            "enabled": False,
            "products": [],
            "proration_behavior": "none",
            "schedule_at_period_end": {"conditions": []},
            "trial_update_behavior": "end_trial",
        },
    }


def apply_features(tx: Transaction, features: Object, feature_params: Params) -> None:
    """Apply the sent features. Raises 400 for invalid or unsupported ones."""
    for name, params in feature_params.items():
        _merge_params(features[name], params)
    _check_supported(features)
    update = features["subscription_update"]
    if update["enabled"]:
        for name in ("default_allowed_updates", "products"):
            if not update[name]:
                raise missing_param(f"features[subscription_update][{name}]")
    for index, offer in enumerate(update["products"]):
        _check_product(tx, offer, f"features[subscription_update][products][{index}]")


def _merge_params(target: Object, params: Params) -> None:
    """Merge hashes by key; replace lists."""
    for name, value in params.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge_params(target[name], value)
        elif name in LIST_PARAMS:
            target[name] = copy(value or [])
        else:
            target[name] = None if value == "" else value


def _check_supported(features: Object) -> None:
    if features["subscription_pause"]["enabled"]:
        raise invalid(
            "The sandbox's portal does not pause subscriptions.",
            param="features[subscription_pause][enabled]",
        )
    if features["subscription_cancel"]["cancellation_reason"]["feedback_options"]:
        raise invalid(
            "The sandbox has no feedback options of one's own.",
            param="features[subscription_cancel][cancellation_reason][feedback_options]",
        )
    if (
        features["customer_update"]["enabled"]
        and not features["customer_update"]["allowed_updates"]
    ):
        raise missing_param("features[customer_update][allowed_updates]")


def _check_product(tx: Transaction, offer: Object, param: str) -> None:
    """Check a product and the prices that customers may choose."""
    tx.param_object("product", offer["product"], param=f"{param}[product]")
    choice = {"enabled": False, "maximum": None, "minimum": 1}
    offer["adjustable_quantity"] = choice | offer.get("adjustable_quantity", {})
    for index, id in enumerate(offer["prices"]):
        name = f"{param}[prices][{index}]"
        price = tx.param_object("price", id, param=name)
        if price["product"] != offer["product"]:
            raise invalid(
                f"The price `{id}` does not belong to the product `{offer['product']}`.", param=name
            )
        if not pricing.is_recurring(price) or pricing.is_metered(price):
            raise invalid(
                "Only recurring prices that are not metered can be offered here.", param=name
            )
    _check_intervals(tx, offer, param)


def _check_intervals(tx: Transaction, offer: Object, param: str) -> None:
    """Raise 400 if two prices of a product have the same interval."""
    intervals = [
        (price["recurring"]["interval"], price["recurring"]["interval_count"])
        for price in (tx.get("price", id) for id in offer["prices"])
        if price
    ]
    if len(set(intervals)) < len(intervals):
        raise invalid(
            "Prices of one product must have different billing intervals.", param=f"{param}[prices]"
        )
