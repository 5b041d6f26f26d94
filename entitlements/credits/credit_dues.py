"""Whether grants of credits hold what is due of them, and the booking of what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from entitlements.balances.selectors import credits
from entitlements.credits import credit_grants
from entitlements.models import CreditGrant
from entitlements.resolution.credit_allocation import Step, come_to

PAGE = 200
"""Grants that are read by one query."""


@dataclass(frozen=True, slots=True)
class DueMismatch:
    """A grant that does not hold what is due of it, and what has to be booked."""

    grant_id: str
    steps: Sequence[Step]

    def __str__(self) -> str:
        missing = ", ".join(f"{step.movement} {step.amount}" for step in self.steps)
        return f"credits of {self.grant_id}: not booked: {missing}"


@dataclass(frozen=True, slots=True)
class DuePage:
    """``after`` is where the next page begins; empty behind the last one."""

    checked: int
    mismatches: Sequence[DueMismatch]
    after: str


def check_page(*, after: str, at: datetime, repair: bool, project_id: str = "") -> DuePage:
    """Compare one page of grants. What differs is confirmed, and booked, under the account's lock.

    What has expired is left out: a queue of its own books that.
    """
    rows = CreditGrant.objects.across_projects().filter(pk__gt=after).order_by("pk")
    if project_id:
        rows = rows.filter(project_id=project_id)
    page = list(rows[:PAGE])
    suspects = [grant for grant in page if _steps(grant, at)]
    found = [each for grant in suspects if (each := _confirm(grant, at, repair))]
    return DuePage(len(page), found, page[-1].pk if len(page) == PAGE else "")


def _steps(grant: CreditGrant, at: datetime) -> list[Step]:
    if not grant.lot.is_live(at):
        return []
    return come_to(grant.lot, due=grant.due, is_withheld=grant.is_withheld, at=at)


def _confirm(row: CreditGrant, at: datetime, repair: bool) -> DueMismatch | None:
    with transaction.atomic():
        account = credits.lock(project_id=row.project_id, customer_id=row.customer_id)
        grant = credits.grant(project=row.project_id, grant_id=row.pk)
        steps = _steps(grant, at)
        if not steps or account is None:
            return None
        if repair:
            credit_grants.settle_due(account=account, grant_ids=[grant.pk], at=at)
    return DueMismatch(grant.pk, steps)
