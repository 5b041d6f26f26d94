"""A user's credit grants, balance and ledger history."""

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
"""``CreditGrant.overspent`` as a condition in SQL."""
MAX_GRANTS_SHOWN = 100
"""Grants that :class:`CustomerCredits` lists."""


@dataclass(frozen=True, slots=True)
class CustomerCredits:
    """One user's balance, reserved and withheld credits, and the unspent grants in the order of
    spending. Without a customer_id the user is unknown."""

    user_id: str
    customer_id: str | None = None
    balance: int = 0
    reserved: int = 0
    withheld: int = 0
    low_at: int = 0
    grants: Sequence[CreditGrant] = ()


def credits_of_user(*, project: Project, user_id: str, at: datetime) -> CustomerCredits:
    """The user's credits at ``at``; up to three queries."""
    customer = customers.find(project=project, user_id=user_id)
    if customer is None:
        return CustomerCredits(user_id)
    account = credits.account(project_id=customer.project_id, customer_id=customer.pk)
    low_at = credits.low_at(account) if account else 0
    return replace(credits_of_customer(customer, at=at), low_at=low_at)


def credits_of_customer(customer: Customer, *, at: datetime) -> CustomerCredits:
    """The customer's credits at ``at``, without ``low_at``; one query."""
    return build_credits(customer, list(unspent_grants(customer, at=at)[:MAX_GRANTS_SHOWN]))


SUM_COLUMNS = ("all_balance", "all_reserved", "all_withheld")
"""Sums over all grants that :func:`unspent_grants` adds to each row."""


def unspent_grants(customer: Customer, *, at: datetime) -> QuerySet[CreditGrant]:
    """The customer's grants with credits left, in the order of spending, with the sums."""
    rows = CreditGrant.objects.for_project(customer.project_id).filter(customer=customer)
    is_live = credits.is_live(at)
    unspent = rows.filter(Q(is_live, available__gt=0) | Q(reserved__gt=0) | Q(withheld__gt=0))
    summed = unspent.annotate(
        all_balance=Window(Sum("available", filter=is_live)),
        all_reserved=Window(Sum("reserved")),
        all_withheld=Window(Sum("withheld")),
    )
    return summed.select_related("customer").order_by(*SPENDING_ORDER)


def build_credits(customer: Customer, grants: Sequence[Any]) -> CustomerCredits:
    """The customer's credits from the first rows of :func:`unspent_grants`."""
    if not grants:
        return CustomerCredits(customer.user_id, customer.pk)
    return CustomerCredits(
        customer.user_id,
        customer.pk,
        balance=int(grants[0].all_balance or 0),
        reserved=int(grants[0].all_reserved or 0),
        withheld=int(grants[0].all_withheld or 0),
        grants=grants,
    )


SPENDING_ORDER = ("priority", F("expires_at").asc(nulls_last=True), "granted_at", "id")
"""The order of ``entitlements.resolution.credit_allocation.sort_lots``, in SQL."""


def history(*, project: Project, user_id: str) -> QuerySet[CreditTransaction]:
    """The user's ledger transactions with their entries."""
    rows = CreditTransaction.objects.for_project(project).prefetch_related("entries")
    return rows.filter(customer=customers.find(project=project, user_id=user_id))


def grants_of_user(*, project: Project, user_id: str) -> QuerySet[CreditGrant]:
    """Every credit grant of the user."""
    rows = CreditGrant.objects.for_project(project).select_related("customer")
    return rows.filter(customer=customers.find(project=project, user_id=user_id))


def grant_of_user(*, project: Project, user_id: str, grant_id: str) -> CreditGrant:
    """One of the user's credit grants; raises NotFound."""
    row = grants_of_user(project=project, user_id=user_id).filter(pk=grant_id).first()
    if row is None:
        raise NotFound("No such credits. GET /credits/{user_id}/grants lists the user's.")
    return row
