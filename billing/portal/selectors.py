"""Read portal settings, why the portal cannot be opened for a user, and what it offers."""

from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from django.conf import settings

from billing.accounts.selectors import stripe_customers
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
from billing.stripe.client import is_live
from billing.stripe.portal import MOST_PRODUCTS
from common.models import ProjectQuerySet
from projects.models import Customer, Project


class Obstacle(StrEnum):
    """Why the portal cannot be opened for a user."""

    PROJECT_SUSPENDED = "project_suspended"
    ACCOUNT_NOT_CONNECTED = "account_not_connected"
    UNKNOWN_USER = "unknown_user"
    DELETED = "deleted"
    NOTHING_BOUGHT = "nothing_bought"


def get_settings(project: Project) -> PortalSettings:
    """Return the project's portal settings; without stored ones an unsaved row of the defaults."""
    row = PortalSettings.objects.for_project(project).first()
    return row or PortalSettings(project=project)


def find_obstacles(
    *, project: Project, account: StripeAccount | None, customer: Customer | None
) -> list[Obstacle]:
    """Return every reason why the portal cannot be opened; empty if it can."""
    obstacles = []
    if project.suspended_at is not None:
        obstacles.append(Obstacle.PROJECT_SUSPENDED)
    if account is None or not _has_key(account):
        obstacles.append(Obstacle.ACCOUNT_NOT_CONNECTED)
    if customer is None:
        return [*obstacles, Obstacle.UNKNOWN_USER]
    if customer.deleted_at is not None:
        return [*obstacles, Obstacle.DELETED]
    if account is not None and not _has_bought(customer, account):
        obstacles.append(Obstacle.NOTHING_BOUGHT)
    return obstacles


def find_buyer(*, customer: Customer, account: StripeAccount) -> StripeCustomer | None:
    """Return the user's Stripe customer, None if there is none."""
    return stripe_customers.find_live(customer=customer, account=account)


@dataclass(frozen=True, slots=True)
class PortalOffer:
    """A product that users may change to in the portal, and its prices, oldest first."""

    product: Product
    prices: list[Price]


def list_offers(
    *, project: Project, account: StripeAccount, products: list[str], currency: str = ""
) -> list[PortalOffer]:
    """Return the products that users may change between in the portal, with their prices.

    Only products on sale, of the ids in ``products`` if there are any; the oldest
    ``MOST_PRODUCTS``, because Stripe takes no more. Only prices in ``currency`` if it is not empty.
    Stripe takes no metered price, and for each product one price per interval: the newest.
    """
    rows = Product.objects.for_project(project).filter(
        account=account, stripe_id__isnull=False, active=True, custom_price=False
    )
    if products:
        rows = rows.filter(pk__in=products)
    prices = _portal_prices(project).filter(product__in=rows)
    newest: dict[tuple[str, str, str, int], Price] = {}
    for price in prices.filter(currency=currency) if currency else prices:
        key = (price.product_id, price.currency, price.interval, price.interval_count)
        newest[key] = price
    by_product: dict[str, list[Price]] = {}
    for price in sorted(newest.values(), key=attrgetter("pk")):
        by_product.setdefault(price.product_id, []).append(price)
    oldest = rows.filter(pk__in=by_product).order_by("id")[:MOST_PRODUCTS]
    return [PortalOffer(product, by_product[product.pk]) for product in oldest]


def find_currency(buyer: StripeCustomer) -> str:
    """Return the currency of the buyer's subscriptions, empty if there is none yet.

    Stripe allows one currency per customer. The newest subscription is read too, because our
    customer row may be older.
    """
    subscriptions = Subscription.objects.for_project(buyer.project_id).filter(
        account_id=buyer.account_id, customer_id=buyer.customer_id
    )
    newest = subscriptions.order_by("-id").values_list("currency", flat=True).first()
    return buyer.currency or newest or ""


def _portal_prices(project: Project) -> ProjectQuerySet[Price]:
    """Return the project's prices that Stripe accepts in a portal, oldest first."""
    rows = Price.objects.for_project(project).filter(
        stripe_id__isnull=False, active=True, type=PriceType.RECURRING, meter__isnull=True
    )
    return rows.order_by("id")


def _has_key(account: StripeAccount) -> bool:
    if account.secret_key:
        return True
    key = settings.BILLING.stripe_secret_key
    return account.is_shared and bool(key) and is_live(key) == account.livemode


def _has_bought(customer: Customer, account: StripeAccount) -> bool:
    if stripe_customers.find_live(customer=customer, account=account) is None:
        return False
    return any(
        model.objects.for_project(customer.project_id)
        .filter(customer=customer, account=account, stripe_id__isnull=False)
        .exists()
        for model in (Subscription, Invoice, Payment)
    )
