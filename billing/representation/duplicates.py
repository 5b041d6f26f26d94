"""Duplicates: second live subscriptions of a customer to the same product.

This service never opens two pages that could both be paid, but a subscription can be created at
Stripe by hand. The subscription with the older row is taken for the right one.
"""

from typing import Any, TypeVar

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, When

from billing.models import Subscription, SubscriptionItem
from billing.models.subscription import LIVE
from common.prepared_queries import Parameter, PreparedValues

RowsT = TypeVar("RowsT", bound="QuerySet[Any]")

_ORIGINAL = PreparedValues(
    lambda: annotate_duplicates(  # type: ignore[misc]  # stubs do not know its annotation
        Subscription.objects.for_project(Parameter("project_id")).filter(pk=Parameter("id"))
    ).values_list("duplicates")
)


def annotate_duplicates(rows: RowsT) -> RowsT:
    """The same rows, each with the id of the older subscription that it duplicates in
    ``duplicates``."""
    older = _older().order_by("pk").values("pk")[:1]
    annotated: RowsT = rows.annotate(duplicates=Case(When(status__in=LIVE, then=Subquery(older))))
    return annotated


def find_original(*, subscription: Subscription) -> str | None:
    """The id of the customer's older live subscription to one of the same products; None without
    one."""
    if "duplicates" in vars(subscription):  # loaded with its list
        original_id: str | None = vars(subscription)["duplicates"]
        return original_id
    if not subscription.is_live:
        return None
    rows = _ORIGINAL.rows(project_id=subscription.project_id, id=subscription.pk)
    return rows[0][0] if rows else None


def remember(*, subscription: Subscription, original_id: str | None) -> None:
    """What :func:`find_original` returns for this row from now on."""
    vars(subscription)["duplicates"] = original_id


def condition() -> Q:
    """Condition for queries over all projects: subscriptions that duplicate an older one."""
    return Q(Exists(_older()), status__in=LIVE)


def _older() -> QuerySet[Subscription]:
    """Subquery: the customer's older live subscriptions to the same product."""
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
