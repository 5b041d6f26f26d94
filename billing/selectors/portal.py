"""Whether a user can be sent to the portal, and what awaits them there."""

from enum import StrEnum

from django.conf import settings

from billing.models import (
    Invoice,
    Payment,
    Price,
    Product,
    StripeAccount,
    StripeCustomer,
    Subscription,
)
from billing.models.portal import PortalSettings
from billing.models.price import PriceType
from billing.selectors import stripe_customers
from billing.stripe.client import is_live
from billing.stripe.portal import MOST_PRODUCTS
from common.models import ProjectQuerySet
from projects.models import Customer, Project


class Obstacle(StrEnum):
    """Why there is nothing for the user to see in the portal."""

    PROJECT_SUSPENDED = "project_suspended"
    ACCOUNT_NOT_CONNECTED = "account_not_connected"
    UNKNOWN_USER = "unknown_user"
    DELETED = "deleted"
    NOTHING_BOUGHT = "nothing_bought"


def settings_of(project: Project) -> PortalSettings:
    """What the project has said; the defaults, not stored, while it has said nothing."""
    found = PortalSettings.objects.for_project(project).first()
    return found or PortalSettings(project=project)


def obstacles(
    *, project: Project, account: StripeAccount | None, customer: Customer | None
) -> list[Obstacle]:
    """Everything that stands in the way; nothing when the user may go."""
    found = []
    if project.suspended_at is not None:
        found.append(Obstacle.PROJECT_SUSPENDED)
    if account is None or not _has_key(account):
        found.append(Obstacle.ACCOUNT_NOT_CONNECTED)
    if customer is None:
        return [*found, Obstacle.UNKNOWN_USER]
    if customer.deleted_at is not None:
        return [*found, Obstacle.DELETED]
    if account is not None and not _has_bought(customer, account):
        found.append(Obstacle.NOTHING_BOUGHT)
    return found


def buyer(*, customer: Customer, account: StripeAccount) -> StripeCustomer | None:
    """As whom Stripe knows the user."""
    return stripe_customers.known(customer=customer, account=account)


def offered(*, project: Project, account: StripeAccount, products: list[str]) -> list[Product]:
    """Products between which the portal lets users change, each with its ``portal_prices``.

    Those named, or all, as far as they are on sale; the oldest, if Stripe cannot take them all.
    """
    rows = Product.objects.for_project(project).filter(
        account=account, stripe_id__isnull=False, active=True, custom_price=False
    )
    if products:
        rows = rows.filter(pk__in=products)
    prices = _prices(project).filter(product__in=rows).order_by("id")
    by_product: dict[str, list[Price]] = {}
    for price in prices:
        by_product.setdefault(price.product_id, []).append(price)
    found = list(rows.filter(pk__in=by_product).order_by("id")[:MOST_PRODUCTS])
    for each in found:
        each.portal_prices = by_product[each.pk]  # type: ignore[attr-defined]  # read by the service
    return found


def _prices(project: Project) -> ProjectQuerySet[Price]:
    return Price.objects.for_project(project).filter(
        stripe_id__isnull=False, active=True, type=PriceType.RECURRING
    )


def _has_key(account: StripeAccount) -> bool:
    if account.secret_key:
        return True
    key = settings.BILLING.stripe_secret_key
    return account.is_shared and bool(key) and is_live(key) == account.livemode


def _has_bought(customer: Customer, account: StripeAccount) -> bool:
    if stripe_customers.known(customer=customer, account=account) is None:
        return False
    return any(
        model.objects.for_project(customer.project_id)
        .filter(customer=customer, account=account, stripe_id__isnull=False)
        .exists()
        for model in (Subscription, Invoice, Payment)
    )
