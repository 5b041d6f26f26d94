"""Flows: one task that a user does in the portal, and Stripe's parameters of it."""

from dataclasses import dataclass
from typing import Any

from billing.catalog.selectors import catalog
from billing.errors import SubscriptionEnded
from billing.models import Subscription
from billing.models.portal import Cancellation, PortalSettings
from billing.portal.selectors import PortalOffer
from billing.stripe import portal as stripe_portal
from billing.stripe.fields import Fields
from billing.subscriptions.selectors import subscriptions
from common.errors import Invalid
from projects.models import Customer, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One task for the user in the portal. ``type`` is Stripe's flow type; ids are ours."""

    type: str
    product: str = ""
    price: str = ""
    quantity: int | None = None


def build_params(
    *,
    project: Project,
    customer: Customer,
    portal_settings: PortalSettings,
    flow: Flow,
    return_url: str,
    offers: list[PortalOffer],
) -> Fields:
    """Build Stripe's ``flow_data``.

    Raises Invalid for a flow that the settings do not offer, NotFound, SubscriptionEnded.
    """
    is_offered = {
        "payment_method_update": portal_settings.payment_methods,
        "subscription_cancel": portal_settings.cancellation != Cancellation.NEVER,
        "subscription_update": portal_settings.plan_changes,
        "subscription_update_confirm": portal_settings.plan_changes,
    }
    if not is_offered[flow.type]:
        raise Invalid("The portal's configuration does not offer this flow.", field="flow/type")
    if flow.type == "payment_method_update":
        return stripe_portal.flow(flow.type, return_url=return_url)
    row = subscriptions.get_by_product(
        project=project, user_id=customer.user_id, product=flow.product
    )
    if row.has_ended or not row.stripe_id:
        raise SubscriptionEnded("Open a new checkout to subscribe again.")
    target: dict[str, Any] = {"subscription": row.stripe_id}
    if flow.type == "subscription_update_confirm":
        target["items"] = [_build_item(project, row, flow, offers)]
    return stripe_portal.flow(flow.type, return_url=return_url, **target)


def _build_item(
    project: Project, row: Subscription, flow: Flow, offers: list[PortalOffer]
) -> Fields:
    """Build the new item of the flow's product. Raises Invalid for a price that is not offered."""
    item = next(
        each
        for each in row.items.all()
        if each.price is not None and each.price.product_id == flow.product
    )
    price = catalog.price(project=project, price_id=flow.price) if flow.price else item.price
    assert price is not None
    if price != item.price and not any(price in offer.prices for offer in offers):
        raise Invalid(
            "Send a price that GET /portal/configuration lists under offered.",
            field="flow/price",
        )
    quantity = {} if price.is_metered else {"quantity": flow.quantity or item.quantity}
    return {"id": item.stripe_id, "price": price.stripe_id, **quantity}
