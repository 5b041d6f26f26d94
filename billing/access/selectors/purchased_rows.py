"""The rows that facts of purchases are computed from: items, lines, and features of products."""

from billing.models import CheckoutLine, ProductFeature, SubscriptionItem
from common.prepared_queries import Parameter, PreparedQuery, is_any

_ITEMS = PreparedQuery(
    lambda: (
        SubscriptionItem.objects.across_projects()
        .filter(is_any("subscription_id", "subscription_ids"))
        .order_by("id")
    ),
    related=["price", "price__product"],
)
_LINES = PreparedQuery(
    lambda: (
        CheckoutLine.objects.across_projects()
        .filter(is_any("checkout_id", "checkout_ids"))
        .order_by("id")
    ),
    related=["price", "price__product"],
)
_FEATURES = PreparedQuery(
    lambda: ProductFeature.objects.for_project(Parameter("project_id")).filter(
        is_any("product_id", "product_ids")
    ),
    related=["feature"],
)


def find_items(subscription_ids: list[str]) -> list[SubscriptionItem]:
    """The items of these subscriptions in order, with prices and products. One query."""
    return _ITEMS.rows(subscription_ids=subscription_ids) if subscription_ids else []


def find_lines(checkout_ids: list[str]) -> list[CheckoutLine]:
    """The lines of these checkouts in order, with prices and products. One query."""
    return _LINES.rows(checkout_ids=checkout_ids) if checkout_ids else []


def find_features(project_id: str, product_ids: list[str]) -> list[ProductFeature]:
    """What these products of the project give, with the features. One query."""
    return _FEATURES.rows(project_id=project_id, product_ids=product_ids) if product_ids else []
