"""The customer portal at Stripe: what it offers, and links into it."""

from collections.abc import Sequence
from dataclasses import dataclass

from stripe import StripeClient

from billing.stripe.errors import translate
from billing.stripe.fields import Fields, plain

MOST_PRODUCTS = 10
"""Stripe's limit of products between which a portal lets customers change."""
CREATE_CONFIGURATION = "portal_configuration.create"
CHANGE_CONFIGURATION = "portal_configuration.update"
CREATE_SESSION = "portal_session.create"


@dataclass(frozen=True, slots=True)
class Offer:
    """A product, and the prices of it that customers may choose; Stripe's ids."""

    product: str
    prices: Sequence[str]


def is_active(client: StripeClient, stripe_id: str) -> bool:
    """Whether links into this portal can be made. Raises StripeObjectMissing."""
    with translate():
        found = plain(client.v1.billing_portal.configurations.retrieve(stripe_id))
    return bool(found.get("active"))


def configuration(
    *,
    headline: str,
    cancels: str,
    offers: Sequence[Offer],
    payment_methods: bool,
    invoices: bool,
    default_return_url: str,
    takes_codes: bool,
) -> Fields:
    """How a configuration is asked for. ``cancels`` is Stripe's mode, or nothing.

    ``takes_codes`` never in a shared account, where customers could type every project's codes.
    """
    updates = ["price", "quantity", "promotion_code"] if takes_codes else ["price", "quantity"]
    features: Fields = {
        "customer_update": {"enabled": True, "allowed_updates": ["email", "address", "tax_id"]},
        "invoice_history": {"enabled": invoices},
        "payment_method_update": {"enabled": payment_methods},
        "subscription_cancel": {"enabled": False},
        "subscription_update": {"enabled": False},
    }
    if cancels:
        features["subscription_cancel"] = {
            "enabled": True,
            "mode": cancels,
            "proration_behavior": "none",
        }
    if offers:
        features["subscription_update"] = {
            "enabled": True,
            "default_allowed_updates": updates,
            "products": [{"product": each.product, "prices": [*each.prices]} for each in offers],
            "proration_behavior": "always_invoice",
            "schedule_at_period_end": {
                "conditions": [{"type": "decreasing_item_amount"}, {"type": "shortening_interval"}]
            },
        }
    made: Fields = {"features": features}
    if headline:
        made["business_profile"] = {"headline": headline}
    if default_return_url:
        made["default_return_url"] = default_return_url
    return made


def session(*, customer: str, configuration: str, return_url: str, flow: Fields | None) -> Fields:
    """How a link into the portal is asked for."""
    made: Fields = {"customer": customer, "configuration": configuration}
    if return_url:
        made["return_url"] = return_url
    if flow is not None:
        made["flow_data"] = flow
    return made


def flow(type: str, *, return_url: str, **target: object) -> Fields:
    """One thing to do, and back again; ``target`` is what Stripe wants to know of it."""
    made: Fields = {"type": type}
    if target:
        made[type] = target
    if return_url:
        redirect = {"return_url": return_url}
        made["after_completion"] = {"type": "redirect", "redirect": redirect}
    return made
