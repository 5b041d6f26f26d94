"""The customer portal at Stripe: what it offers, and links into it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stripe import StripeClient

from billing.stripe.errors import translate
from billing.stripe.fields import Fields, named, page, plain

MOST_PRODUCTS = 10
"""Stripe's limit of products between which a portal lets customers change."""
PRODUCTS = "features.subscription_update.products"
"""Stripe leaves it out of its answers unless it is expanded."""
CREATE_CONFIGURATION = "portal_configuration.create"
CHANGE_CONFIGURATION = "portal_configuration.update"
CREATE_SESSION = "portal_session.create"


@dataclass(frozen=True, slots=True)
class PortalProduct:
    """A product, and the prices of it that customers may choose; Stripe's ids."""

    product: str
    prices: Sequence[str]


def is_active(client: StripeClient, stripe_id: str) -> bool:
    """Whether links into this portal can be made. Raises StripeObjectMissing."""
    with translate():
        found = plain(client.v1.billing_portal.configurations.retrieve(stripe_id))
    return bool(found.get("active"))


def retrieve(client: StripeClient, stripe_id: str) -> Fields:
    """What Stripe says now, as plain fields. Raises StripeObjectMissing."""
    with translate():
        found = client.v1.billing_portal.configurations.retrieve(stripe_id, {"expand": [PRODUCTS]})
        return named(found, "billing_portal.configuration", stripe_id)


def list_page(client: StripeClient, *, after: str) -> list[Fields]:
    """The account's configurations behind the one ``after``, newest first, up to PAGE, those that
    are switched off too."""
    with translate():
        params = page(after or None, expand=[f"data.{PRODUCTS}"])
        return [plain(each) for each in client.v1.billing_portal.configurations.list(params).data]


def differences(fields: Fields, content: Fields) -> dict[str, tuple[object, object]]:
    """What Stripe says otherwise than a configuration that was asked for with ``content``: ours and
    theirs, by name. What is not asked for has to be off; the rest is Stripe's default.

    Raises StripeMalformed for fields that are no configuration's.
    """
    with translate():
        wanted = _comparable(restored(content))
        return dict(_differing(wanted, _comparable(fields)))


def restored(content: Fields) -> Fields:
    """How a configuration is asked to be again what was asked for with ``content``."""
    features = {**content["features"], "subscription_pause": {"enabled": False}}
    return {
        "active": True,
        "features": features,
        "business_profile": {"headline": content.get("business_profile", {}).get("headline", "")},
        "default_return_url": content.get("default_return_url", ""),
        "login_page": {"enabled": False},
    }


def _comparable(fields: Fields) -> Fields:
    """Without the order of lists, in which nothing is said."""
    update = fields["features"]["subscription_update"]
    changed: Fields = {}
    if "products" in update:
        offers = update["products"] or ()
        changed["products"] = {each["product"]: sorted(each["prices"]) for each in offers}
    if "schedule_at_period_end" in update:
        conditions = (update["schedule_at_period_end"] or {}).get("conditions") or ()
        changed["schedule_at_period_end"] = sorted(each["type"] for each in conditions)
    features = {**fields["features"], "subscription_update": {**update, **changed}}
    return {**fields, "features": features}


def _differing(ours: Any, theirs: Any, name: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Each value of ours that is another one at Stripe, by its path. Null there is empty here."""
    if isinstance(ours, dict) and not name.endswith(".products"):
        for key, value in ours.items():
            of_stripe = (theirs or {}).get(key)
            yield from _differing(value, of_stripe, f"{name}.{key}" if name else key)
        return
    if isinstance(ours, list):
        ours, theirs = sorted(ours), sorted(theirs or ())
    if (ours or None) != (theirs or None):
        yield name, (ours, theirs)


def configuration(
    *,
    headline: str,
    cancels: str,
    offers: Sequence[PortalProduct],
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


def flow(flow_type: str, *, return_url: str, **target: object) -> Fields:
    """One thing to do, and back again; ``target`` is what Stripe wants to know of it."""
    made: Fields = {"type": flow_type}
    if target:
        made[flow_type] = target
    if return_url:
        redirect = {"return_url": return_url}
        made["after_completion"] = {"type": "redirect", "redirect": redirect}
    return made
