"""The project's checkouts, and what stands in the way of another one."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from billing.models import Checkout, Product, Subscription
from billing.models.checkout import CheckoutStatus, CheckoutType
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


def open_pages(
    *,
    customer: Customer,
    products: Collection[Product],
    at: datetime,
    opening_since: datetime,
) -> list[Checkout]:
    """Pages on which the customer can subscribe to one of these products, or soon will: those
    that Stripe has yet to answer for count when they were begun after ``opening_since``."""
    is_open = Q(status=CheckoutStatus.OPEN) & ~Q(expires_at__lte=at)
    is_opening = Q(status=CheckoutStatus.OPENING, created_at__gt=opening_since)
    return list(
        Checkout.objects.for_project(customer.project_id)
        .filter(is_open | is_opening, customer=customer, type=CheckoutType.SUBSCRIPTION)
        .filter(lines__price__product__in=products)
        .select_related("account", "customer", "project")
        .order_by("id")
        .distinct()
    )
