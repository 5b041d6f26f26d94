"""What a project lets its users do in the portal."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from billing.models import PortalSettings
from billing.models.portal import Cancellation
from billing.portal.selectors import Offered


class OfferedBody(TypedDict):
    """A plan to change to, at one of these prices: the user sees those in their currency."""

    product: str
    prices: list[str]


class PortalConfigurationBody(TypedDict):
    """What users may do in the portal."""

    headline: str | None
    cancellation: Annotated[str, Cancellation]
    plan_changes: bool
    products: list[str]
    payment_methods: bool
    invoices: bool
    default_return_url: str | None
    offered: Annotated[
        list[OfferedBody],
        "What users can change to. Stripe takes no metered prices, and of each product "
        "one price for each currency and interval: the newest.",
    ]


def portal_settings(row: PortalSettings, offers: Sequence[Offered]) -> PortalConfigurationBody:
    return {
        "headline": row.headline or None,
        "cancellation": row.cancellation,
        "plan_changes": row.plan_changes,
        "products": row.products,
        "payment_methods": row.payment_methods,
        "invoices": row.invoices,
        "default_return_url": row.default_return_url or None,
        "offered": [
            {"product": each.product.pk, "prices": [price.pk for price in each.prices]}
            for each in offers
        ],
    }
