"""Where a user's credits came from, what is left of them, and what moved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet, Sum, Window

from common.errors import NotFound
from entitlements.balances.selectors import credits
from entitlements.models import CreditGrant, CreditTransaction
from projects.customers import selectors as customers
from projects.models import Customer, Project

IS_OVERSPENT = Q(revoked_at__isnull=True, spent__gt=F("due"))
"""As ``CreditGrant.overspent``, in SQL."""
SHOWN = 100
"""How many grants a standing shows at most."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What one user can spend, what is set aside or withheld, and the grants that something is
    left of in the order of spending; an unknown user has no customer_id."""

    user_id: str
    customer_id: str | None = None
    balance: int = 0
    reserved: int = 0
    withheld: int = 0
    low_at: int = 0
    grants: Sequence[CreditGrant] = ()


def standing(*, project: Project, user_id: str, at: datetime) -> Standing:
    """What the user has at ``at``; up to three queries."""
    customer = customers.find(project=project, user_id=user_id)
    if customer is None:
        return Standing(user_id)
    account = credits.account(project_id=customer.project_id, customer_id=customer.pk)
    low_at = credits.low_at(account) if account else 0
    return replace(standing_of(customer, at=at), low_at=low_at)


def standing_of(customer: Customer, *, at: datetime) -> Standing:
    """What the customer has at ``at``, but not when that is low; one query."""
    return standing_from(customer, list(left_to(customer, at=at)[:SHOWN]))


SUMS = ("all_balance", "all_reserved", "all_withheld")
"""What :func:`left_to` says of all grants together, beside each of them."""


def left_to(customer: Customer, *, at: datetime) -> QuerySet[CreditGrant]:
    """The customer's grants that something is left of, in the order of spending, with the sums."""
    rows = CreditGrant.objects.for_project(customer.project_id).filter(customer=customer)
    is_live = credits.is_live(at)
    left = rows.filter(Q(is_live, available__gt=0) | Q(reserved__gt=0) | Q(withheld__gt=0))
    summed = left.annotate(
        all_balance=Window(Sum("available", filter=is_live)),
        all_reserved=Window(Sum("reserved")),
        all_withheld=Window(Sum("withheld")),
    )
    return summed.select_related("customer").order_by(*ORDER)


def standing_from(customer: Customer, grants: Sequence[Any]) -> Standing:
    """What the customer has, by the first of the grants that :func:`left_to` finds."""
    if not grants:
        return Standing(customer.user_id, customer.pk)
    return Standing(
        customer.user_id,
        customer.pk,
        balance=int(grants[0].all_balance or 0),
        reserved=int(grants[0].all_reserved or 0),
        withheld=int(grants[0].all_withheld or 0),
        grants=grants,
    )


ORDER = ("priority", F("expires_at").asc(nulls_last=True), "granted_at", "id")
"""That of spending, as ``entitlements.resolution.credit_allocation.in_order``."""


def history(*, project: Project, user_id: str) -> QuerySet[CreditTransaction]:
    """The user's movements with their entries."""
    rows = CreditTransaction.objects.for_project(project).prefetch_related("entries")
    return rows.filter(customer=customers.find(project=project, user_id=user_id))


def grants_to(*, project: Project, user_id: str) -> QuerySet[CreditGrant]:
    """Every grant of credits to the user."""
    rows = CreditGrant.objects.for_project(project).select_related("customer")
    return rows.filter(customer=customers.find(project=project, user_id=user_id))


def grant_to(*, project: Project, user_id: str, grant_id: str) -> CreditGrant:
    """One of the user's grants of credits; raises NotFound."""
    found = grants_to(project=project, user_id=user_id).filter(pk=grant_id).first()
    if found is None:
        raise NotFound("No such credits. GET /credits/{user_id}/grants lists the user's.")
    return found
