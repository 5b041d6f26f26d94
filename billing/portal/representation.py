"""The response body of a project's portal configuration."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from billing.models import PortalSettings
from billing.models.portal import Cancellation
from billing.portal.selectors import PortalOffer


class OfferedBody(TypedDict):
    """A product that users can change to, and its prices. A user sees those in their currency."""

    product: str
    prices: list[str]


class PortalConfigurationBody(TypedDict):
    """What users may do in the customer portal."""

    headline: str | None
    cancellation: Annotated[str, Cancellation]
    plan_changes: bool
    products: list[str]
    payment_methods: bool
    invoices: bool
    default_return_url: str | None
    offered: Annotated[
        list[OfferedBody],
        "Products and prices that users can change to. Stripe takes no metered price, and for each "
        "product only one price per currency and interval: the newest.",
    ]


def settings_body(row: PortalSettings, offers: Sequence[PortalOffer]) -> PortalConfigurationBody:
    return {
        "headline": row.headline or None,
        "cancellation": row.cancellation,
        "plan_changes": row.plan_changes,
        "products": row.products,
        "payment_methods": row.payment_methods,
        "invoices": row.invoices,
        "default_return_url": row.default_return_url or None,
        "offered": [
            {"product": offer.product.pk, "prices": [price.pk for price in offer.prices]}
            for offer in offers
        ],
    }
