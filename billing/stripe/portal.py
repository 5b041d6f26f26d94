"""The customer portal at Stripe: configurations, and links into it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stripe import StripeClient

from billing.stripe import reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, page

URL = "/v1/billing_portal/configurations"
KIND = "billing_portal.configuration"
MOST_PRODUCTS = 10
"""Stripe's limit of products between which customers may switch in a portal."""
PRODUCTS = "features.subscription_update.products"
"""Stripe's answers contain it only when it is expanded."""
CREATE_CONFIGURATION = "portal_configuration.create"
CHANGE_CONFIGURATION = "portal_configuration.update"
CREATE_SESSION = "portal_session.create"


@dataclass(frozen=True, slots=True)
class PortalProduct:
    """A product and those of its prices that customers may choose, by Stripe's ids."""

    product: str
    prices: Sequence[str]


def is_active(client: StripeClient, stripe_id: str) -> bool:
    """Whether links into this portal can be created. Raises StripeObjectMissing."""
    with translate():
        configuration = reads.get_named(client, URL, KIND, stripe_id)
    return bool(configuration.get("active"))


def retrieve(client: StripeClient, stripe_id: str) -> Fields:
    """Read the configuration from Stripe, as plain fields. Raises StripeObjectMissing."""
    with translate():
        return reads.get_named(client, URL, KIND, stripe_id, {"expand": [PRODUCTS]})


def list_page(client: StripeClient, *, after: str) -> list[Fields]:
    """Up to PAGE configurations behind the one ``after``, newest first, inactive ones too."""
    with translate():
        params = page(after or None, expand=[f"data.{PRODUCTS}"])
        return list(reads.get(client, URL, params)["data"])


def differences(fields: Fields, content: Fields) -> dict[str, tuple[object, object]]:
    """Values by name that differ from a configuration created with ``content``, as (ours,
    Stripe's).

    Features that ``content`` leaves out must be off. Raises StripeMalformed for fields that do not
    belong to a configuration.
    """
    with translate():
        expected = _comparable(restore_params(content))
        return dict(_differing(expected, _comparable(fields)))


def restore_params(content: Fields) -> Fields:
    """Parameters that restore a configuration which was created with ``content``."""
    features = {**content["features"], "subscription_pause": {"enabled": False}}
    return {
        "active": True,
        "features": features,
        "business_profile": {"headline": content.get("business_profile", {}).get("headline", "")},
        "default_return_url": content.get("default_return_url", ""),
        "login_page": {"enabled": False},
    }


def _comparable(fields: Fields) -> Fields:
    """The fields with lists in a fixed order: their order at Stripe has no meaning."""
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


def _differing(ours: Any, remote: Any, name: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Values of ours that differ at Stripe, by path. Null at Stripe equals an empty value of
    ours."""
    if isinstance(ours, dict) and not name.endswith(".products"):
        for key, value in ours.items():
            member = (remote or {}).get(key)
            yield from _differing(value, member, f"{name}.{key}" if name else key)
        return
    if isinstance(ours, list):
        ours, remote = sorted(ours), sorted(remote or ())
    if (ours or None) != (remote or None):
        yield name, (ours, remote)


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
    """Parameters that create a configuration. ``cancels`` is Stripe's cancellation mode, or empty.

    ``takes_codes`` must be False in a shared account: customers could enter codes of other
    projects.
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
    params: Fields = {"features": features}
    if headline:
        params["business_profile"] = {"headline": headline}
    if default_return_url:
        params["default_return_url"] = default_return_url
    return params


def session(*, customer: str, configuration: str, return_url: str, flow: Fields | None) -> Fields:
    """Parameters that create a link into the portal."""
    params: Fields = {"customer": customer, "configuration": configuration}
    if return_url:
        params["return_url"] = return_url
    if flow is not None:
        params["flow_data"] = flow
    return params


def flow(flow_type: str, *, return_url: str, **target: object) -> Fields:
    """Parameters of a link to one action, after which the customer returns.

    ``target`` holds the parameters that Stripe needs for this action.
    """
    params: Fields = {"type": flow_type}
    if target:
        params[flow_type] = target
    if return_url:
        redirect = {"return_url": return_url}
        params["after_completion"] = {"type": "redirect", "redirect": redirect}
    return params
