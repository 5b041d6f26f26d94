"""Holders of a product: customers with a subscription that has not ended, or with a purchase."""

from collections.abc import Collection

from django.db.models import Q, QuerySet

from billing.models import Checkout, CheckoutLine, Price, Product, Subscription, SubscriptionItem
from billing.models.checkout import CheckoutStatus
from billing.models.subscription import ENDED
from common.models import ProjectQuerySet
from projects.models import Customer


def customers(product: Product) -> ProjectQuerySet[Customer]:
    """All holders, each once, ordered by id."""
    subscribed = subscriptions(product).values("customer_id")
    bought = purchases(product).values("customer_id")
    rows = Customer.objects.for_project(product.project_id)
    return rows.filter(Q(pk__in=subscribed) | Q(pk__in=bought)).order_by("pk")


def customer_ids_after(product: Product, *, cursor: str, limit: int) -> list[str]:
    """Ids of the next holders after the cursor, which is the last id of the previous batch."""
    rows = customers(product).filter(pk__gt=cursor) if cursor else customers(product)
    return list(rows.values_list("pk", flat=True)[:limit])


def subscriptions(
    product: Product, *, customer_ids: Collection[str] | None = None
) -> ProjectQuerySet[Subscription]:
    """Subscriptions to the product that have not ended, of these customers or of all."""
    items = SubscriptionItem.objects.for_project(product.project_id).filter(
        price__in=_prices(product)
    )
    rows = Subscription.objects.for_project(product.project_id).filter(
        pk__in=items.values("subscription_id")
    )
    rows = rows.exclude(status__in=ENDED).select_related("project").order_by("pk")
    return rows if customer_ids is None else rows.filter(customer_id__in=customer_ids)


def purchases(
    product: Product, *, customer_ids: Collection[str] | None = None
) -> ProjectQuerySet[Checkout]:
    """Completed checkouts of the product, of these customers or of all."""
    lines = CheckoutLine.objects.for_project(product.project_id).filter(price__in=_prices(product))
    rows = Checkout.objects.for_project(product.project_id).filter(
        pk__in=lines.values("checkout_id"), status=CheckoutStatus.COMPLETE
    )
    rows = rows.order_by("pk")
    return rows if customer_ids is None else rows.filter(customer_id__in=customer_ids)


def _prices(product: Product) -> QuerySet[Price]:
    return Price.objects.for_project(product.project_id).filter(product=product)
