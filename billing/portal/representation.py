"""What a project lets its users do in the portal."""

from collections.abc import Sequence

from billing.models import PortalSettings
from billing.portal.selectors import Offered
from billing.representation.values import Json


def portal_settings(row: PortalSettings, offers: Sequence[Offered]) -> Json:
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
