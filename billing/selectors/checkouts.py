"""The project's checkouts, and what stands in the way of another one."""

from collections.abc import Collection

from billing.models import Checkout, Product, Subscription
from billing.models.subscription import LIVE
from common.errors import NotFound
from projects.models import Customer, Project


def get(*, project: Project, checkout_id: str) -> Checkout:
    """One checkout with all that its representation names; raises NotFound."""
    row = (
        Checkout.objects.for_project(project)
        .select_related("customer", "account")
        .prefetch_related("lines__price", "payments")
        .filter(pk=checkout_id)
        .first()
    )
    if row is None:
        raise NotFound("No checkout with this id.")
    return row


def live_subscription(*, customer: Customer, products: Collection[Product]) -> Subscription | None:
    """A subscription of the customer to one of these products that has not ended."""
    return (
        Subscription.objects.for_project(customer.project_id)
        .filter(customer=customer, status__in=LIVE, items__price__product__in=products)
        .order_by("id")
        .first()
    )
