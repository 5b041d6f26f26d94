"""Read subscriptions, with their items, prices and customers loaded."""

from datetime import datetime

from django.db.models import Case, F, IntegerField, QuerySet, Value, When

from billing.models import Subscription
from billing.models.subscription import LIVE, SubscriptionStatus
from billing.representation import duplicates
from common.errors import NotFound
from common.ids import is_id
from common.models import ProjectQuerySet
from projects.customers import selectors as customers
from projects.models import Project


def listing(
    *, project: Project, user_id: str = "", product: str = "", status: str = ""
) -> ProjectQuerySet[Subscription]:
    """Return the subscriptions that match every non-empty filter: three queries."""
    rows = (
        duplicates.annotate_duplicates(Subscription.objects.for_project(project))
        .select_related("customer", "account")
        .prefetch_related("items__price")
    )
    if user_id:
        rows = rows.filter(**customers.owner_filter(project=project, user_id=user_id))
    if status:
        rows = rows.filter(status=status)
    if product:
        rows = rows.filter(items__price__product_id=product).distinct()
    return rows


def get_by_product(*, project: Project, user_id: str, product: str) -> Subscription:
    """Return the user's subscription to this product: the live one, else the newest ended one.

    ``product`` may also be the id of one of the user's subscriptions. Raises NotFound.
    """
    if is_id(product, "sub"):
        row = listing(project=project, user_id=user_id).filter(pk=product).first()
        if row is None:
            raise NotFound("This user has no subscription with this id.")
        return row
    ended = Case(
        When(status__in=LIVE, then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    rows = listing(project=project, user_id=user_id, product=product)
    row = rows.annotate(ended=ended).order_by("ended", "-id").first()
    if row is None:
        raise NotFound("This user has no subscription to this product.")
    return row


def get_only(*, project: Project, user_id: str) -> Subscription | list[str]:
    """Return the user's only live subscription, else the newest ended one.

    With several live ones return the product id of each instead. Raises NotFound.
    """
    rows = list(listing(project=project, user_id=user_id).filter(status__in=LIVE).order_by("-id"))
    if len(rows) > 1:
        return [find_main_product(row) for row in rows]
    row = rows[0] if rows else listing(project=project, user_id=user_id).order_by("-id").first()
    if row is None:
        raise NotFound("This user has no subscription.")
    return row


def resolve_product(row: Subscription, *, product_or_subscription: str) -> str:
    """Return the id of the product to change: for a subscription id its main product."""
    if is_id(product_or_subscription, "sub"):
        return find_main_product(row)
    return product_or_subscription


def find_main_product(row: Subscription) -> str:
    """Return the product id of the first item in our catalog, empty if there is none."""
    return next((item.price.product_id for item in row.items.all() if item.price), "")


def get(*, project: Project, subscription_id: str) -> Subscription:
    """Return one subscription. Raises NotFound."""
    row = listing(project=project).filter(pk=subscription_id).first()
    if row is None:
        raise NotFound("No subscription with this id.")
    return row


def select_ending_trials(*, after: datetime, until: datetime) -> QuerySet[Subscription]:
    """Return all projects' trials that end in the interval without an event yet, earliest first."""
    rows: QuerySet[Subscription] = Subscription.objects.across_projects()
    return (
        rows.select_related("project")
        .filter(
            status=SubscriptionStatus.TRIALING, trial_ends_at__gt=after, trial_ends_at__lte=until
        )
        .exclude(trial_ending_told_for=F("trial_ends_at"))
        .order_by("trial_ends_at")
    )
