"""Second subscriptions to what a customer has already, however they came about.

We never open two pages that could both be paid; somebody may still make a subscription at Stripe
by hand. The one that we have known longer is taken for the right one.
"""

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, When

from billing.models import Subscription, SubscriptionItem
from billing.models.subscription import LIVE
from common.models import ProjectQuerySet


def named(rows: ProjectQuerySet[Subscription]) -> ProjectQuerySet[Subscription]:
    """The same rows, each with the older one that it doubles in ``duplicates``."""
    older = _older().order_by("pk").values("pk")[:1]
    return rows.annotate(duplicates=Case(When(status__in=LIVE, then=Subquery(older))))


def of(*, subscription: Subscription) -> str | None:
    """The id of the older live subscription of the customer to one of its products."""
    if "duplicates" in vars(subscription):  # loaded with its list
        found: str | None = vars(subscription)["duplicates"]
        return found
    if not subscription.is_live:
        return None
    rows = Subscription.objects.for_project(subscription.project_id)
    return named(rows).filter(pk=subscription.pk).values_list("duplicates", flat=True).first()


def condition() -> Q:
    """For lists over every project's subscriptions: those that double an older one."""
    return Q(Exists(_older()), status__in=LIVE)


def _older() -> QuerySet[Subscription]:
    """Within a query over subscriptions: the customer's older live ones to the same product."""
    products = SubscriptionItem.objects.across_projects().filter(
        subscription=OuterRef(OuterRef("pk"))
    )
    return Subscription.objects.across_projects().filter(
        project=OuterRef("project"),
        customer=OuterRef("customer"),
        status__in=LIVE,
        pk__lt=OuterRef("pk"),
        items__price__product__in=products.values("price__product"),
    )
