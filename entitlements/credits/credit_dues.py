"""Check that credit grants hold the amount that is due of them, and post what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from entitlements.balances.selectors import credits
from entitlements.credits import credit_postings
from entitlements.models import CreditGrant
from entitlements.resolution.credit_allocation import PlannedTransaction
from projects.customers import selectors as customers

PAGE = 200
"""Grants that are read by one query."""


@dataclass(frozen=True, slots=True)
class DueMismatch:
    """A grant that does not hold its due amount, and the transactions that are missing."""

    grant_id: str
    project_id: str
    steps: Sequence[PlannedTransaction]

    def __str__(self) -> str:
        missing = ", ".join(f"{step.movement} {step.amount}" for step in self.steps)
        return f"credits of {self.grant_id}: not booked: {missing}"


@dataclass(frozen=True, slots=True)
class DuePage:
    """Result of one page. ``after`` is the cursor of the next page; empty after the last."""

    checked: int
    mismatches: Sequence[DueMismatch]
    after: str


def check_page(*, after: str, at: datetime, repair: bool, project_id: str = "") -> DuePage:
    """Compare one page of grants. A difference is confirmed, and repaired, under the account's
    lock.

    Expired grants are skipped: ``credit_expiry.expire_due`` posts them.
    """
    rows = CreditGrant.objects.across_projects().filter(pk__gt=after).order_by("pk")
    if project_id:
        rows = rows.filter(project_id=project_id)
    page = list(rows[:PAGE])
    candidates = [grant for grant in page if _steps(grant, at)]
    mismatches = [mismatch for grant in candidates if (mismatch := _confirm(grant, at, repair))]
    return DuePage(len(page), mismatches, page[-1].pk if len(page) == PAGE else "")


def _steps(grant: CreditGrant, at: datetime) -> list[PlannedTransaction]:
    if not grant.lot.is_live(at):
        return []
    return credit_postings.plan(grant, at)


def _confirm(row: CreditGrant, at: datetime, repair: bool) -> DueMismatch | None:
    with transaction.atomic():
        customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        account = credits.lock(project_id=row.project_id, customer_id=row.customer_id)
        grant = credits.grant(project=row.project_id, grant_id=row.pk)
        steps = _steps(grant, at)
        if not steps or account is None:
            return None
        if repair:
            credit_postings.post_due(account=account, grant_ids=[grant.pk], at=at)
    return DueMismatch(grant.pk, grant.project_id, steps)
