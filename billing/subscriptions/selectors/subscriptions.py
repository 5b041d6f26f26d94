"""The project's subscriptions, with their items, prices and customers loaded."""

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
    """Those that match every filter given: three queries, whatever their number."""
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


def of_product(*, project: Project, user_id: str, product: str) -> Subscription:
    """The user's subscription to this product: a live one, else the newest; or the one with this
    id of ours, if it is the user's. Raises NotFound."""
    if is_id(product, "sub"):
        own = listing(project=project, user_id=user_id).filter(pk=product).first()
        if own is None:
            raise NotFound("This user has no subscription with this id.")
        return own
    ended = Case(
        When(status__in=LIVE, then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    rows = listing(project=project, user_id=user_id, product=product)
    row = rows.annotate(ended=ended).order_by("ended", "-id").first()
    if row is None:
        raise NotFound("This user has no subscription to this product.")
    return row


def only(*, project: Project, user_id: str) -> Subscription | list[str]:
    """The user's one live subscription, else the newest that has ended; with several live ones,
    the products by which they are told apart. Raises NotFound."""
    rows = list(listing(project=project, user_id=user_id).filter(status__in=LIVE).order_by("-id"))
    if len(rows) > 1:
        return [main_product(row) for row in rows]
    row = rows[0] if rows else listing(project=project, user_id=user_id).order_by("-id").first()
    if row is None:
        raise NotFound("This user has no subscription.")
    return row


def product_of(row: Subscription, *, named: str) -> str:
    """The product that a change is about: the one named, or the main one of a subscription that
    is named itself."""
    return main_product(row) if is_id(named, "sub") else named


def main_product(row: Subscription) -> str:
    """The product of its first item that is ours; nothing when none is."""
    return next((item.price.product_id for item in row.items.all() if item.price), "")


def get(*, project: Project, subscription_id: str) -> Subscription:
    """One subscription; raises NotFound."""
    row = listing(project=project).filter(pk=subscription_id).first()
    if row is None:
        raise NotFound("No subscription with this id.")
    return row


def ending_trials(*, after: datetime, until: datetime) -> QuerySet[Subscription]:
    """Every project's trials that end in this time and were not told of, the next one first."""
    rows: QuerySet[Subscription] = Subscription.objects.across_projects()
    return (
        rows.select_related("project")
        .filter(
            status=SubscriptionStatus.TRIALING, trial_ends_at__gt=after, trial_ends_at__lte=until
        )
        .exclude(trial_ending_told_for=F("trial_ends_at"))
        .order_by("trial_ends_at")
    )
