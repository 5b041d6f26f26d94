"""Second subscriptions to what a customer has already, however they came about.

We never open two pages that could both be paid; somebody may still make a subscription at Stripe
by hand. The one that we have known longer is taken for the right one.
"""

from typing import Any, TypeVar

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, When

from billing.models import Subscription, SubscriptionItem
from billing.models.subscription import LIVE

RowsT = TypeVar("RowsT", bound="QuerySet[Any]")


def named(rows: RowsT) -> RowsT:
    """The same rows, each with the older one that it doubles in ``duplicates``."""
    older = _older().order_by("pk").values("pk")[:1]
    found: RowsT = rows.annotate(duplicates=Case(When(status__in=LIVE, then=Subquery(older))))
    return found


def of(*, subscription: Subscription) -> str | None:
    """The id of the older live subscription of the customer to one of its products."""
    if "duplicates" in vars(subscription):  # loaded with its list
        found: str | None = vars(subscription)["duplicates"]
        return found
    if not subscription.is_live:
        return None
    row = named(Subscription.objects.for_project(subscription.project_id)).get(pk=subscription.pk)
    return of(subscription=row)


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
