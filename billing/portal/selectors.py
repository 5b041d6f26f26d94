"""Whether a user can be sent to the portal, and what awaits them there."""

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
    return stripe_customers.find_live(customer=customer, account=account)


@dataclass(frozen=True, slots=True)
class Offered:
    """A product between which the portal lets users change, and its prices, the oldest first."""

    product: Product
    prices: list[Price]


def offered(
    *, project: Project, account: StripeAccount, products: list[str], currency: str = ""
) -> list[Offered]:
    """Between which products the portal lets users change, and at which prices.

    Those named, or all, as far as they are on sale; the oldest, if Stripe cannot take them all. In
    this ``currency`` only, if there is one: others are not for a user who pays in it. Stripe takes
    no metered price, and one price of each interval of a product: the newest.
    """
    rows = Product.objects.for_project(project).filter(
        account=account, stripe_id__isnull=False, active=True, custom_price=False
    )
    if products:
        rows = rows.filter(pk__in=products)
    prices = _prices(project).filter(product__in=rows)
    newest: dict[tuple[str, str, str, int], Price] = {}
    for price in prices.filter(currency=currency) if currency else prices:
        key = (price.product_id, price.currency, price.interval, price.interval_count)
        newest[key] = price
    by_product: dict[str, list[Price]] = {}
    for price in sorted(newest.values(), key=attrgetter("pk")):
        by_product.setdefault(price.product_id, []).append(price)
    found = rows.filter(pk__in=by_product).order_by("id")[:MOST_PRODUCTS]
    return [Offered(each, by_product[each.pk]) for each in found]


def currency_of(buyer: StripeCustomer) -> str:
    """The currency in which the buyer subscribes; empty while there is none.

    Stripe keeps a customer to one, and our copy of the customer may be older than a subscription.
    """
    subscriptions = Subscription.objects.for_project(buyer.project_id).filter(
        account_id=buyer.account_id, customer_id=buyer.customer_id
    )
    newest = subscriptions.order_by("-id").values_list("currency", flat=True).first()
    return buyer.currency or newest or ""


def _prices(project: Project) -> ProjectQuerySet[Price]:
    """Every price that Stripe takes into a portal, the oldest first."""
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
