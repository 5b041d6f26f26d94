"""The laws of our own tables, checked every night (docs/rules.md, R11 and R12).

* Facts are a function of mirrors: what each subscription and purchase gives.
* What a grant of credits holds is the sum of its ledger entries.
* Totals are what their records come to, counters what the totals of their window come to.

Facts, totals and counters are repaired, under the locks of those who write them. Sums of the ledger
are only shown: the database's own triggers keep them, so a difference there needs a person.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import transaction

from billing.models import Checkout, Rollout, Subscription
from billing.services import claims, provisioning
from common.models import RunStatus
from entitlements.models.fact import SourceType
from entitlements.selectors import facts as stored
from entitlements.selectors import ledger_sums
from entitlements.services import facts
from entitlements.services.facts import Claim
from projects.models import Project
from projects.selectors import customers
from usage.services import law_checks as usage_laws

RowT = TypeVar("RowT", Subscription, Checkout)

PAGE = 100
"""Subscriptions or purchases that are compared together."""
UNFINISHED = (RunStatus.RUNNING, RunStatus.MOVING)


@dataclass(frozen=True, slots=True)
class Violation:
    """One row of ours that is not what it follows from; ``error`` says why it was not repaired."""

    what: str
    error: str | None = None

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class LawPage:
    """``after`` is where the next page begins; empty behind the last one."""

    checked: int
    violations: Sequence[Violation]
    after: str


def check_page(
    law: str, *, after: str, at: datetime, repair: bool, project: Project | None = None
) -> LawPage:
    """Check one page of this law; a bounded number of queries unless something is repaired."""
    return LAWS[law](after, at, repair, project.pk if project is not None else "")


def _subscription_facts(after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    rows = Subscription.objects.across_projects().filter(pk__gt=after)
    if project_id:
        rows = rows.filter(project_id=project_id)
    page = list(rows.select_related("project").order_by("pk")[:PAGE])
    found: list[Violation] = []
    for theirs in _by_project(page):
        expected = claims.of_subscriptions(theirs)
        for row in _wrong(theirs, SourceType.SUBSCRIPTION, expected):
            error = _repair_subscription(row, at) if repair else None
            found.append(Violation(f"facts of subscription {row.pk}", error))
    return LawPage(len(page), found, page[-1].pk if len(page) == PAGE else "")


def _checkout_facts(after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    rows = Checkout.objects.across_projects().filter(pk__gt=after)
    if project_id:
        rows = rows.filter(project_id=project_id)
    page = list(rows.order_by("pk")[:PAGE])
    found: list[Violation] = []
    for theirs in _by_project(page):
        expected = claims.of_checkouts(theirs, claims.of_pages(theirs))
        for row in _wrong(theirs, SourceType.CHECKOUT, expected):
            error = _repair_checkout(row, at) if repair else None
            found.append(Violation(f"facts of checkout {row.pk}", error))
    return LawPage(len(page), found, page[-1].pk if len(page) == PAGE else "")


def _by_project(page: Sequence[RowT]) -> list[list[RowT]]:
    """A change of the catalog that is still on its way to holders is no violation."""
    by_project: dict[str, list[RowT]] = {}
    for row in page:
        by_project.setdefault(row.project_id, []).append(row)
    busy = set(
        Rollout.objects.across_projects()
        .filter(project_id__in=list(by_project), status__in=UNFINISHED)
        .values_list("project_id", flat=True)
    )
    return [rows for project_id, rows in by_project.items() if project_id not in busy]


def _wrong(
    rows: Sequence[RowT], source_type: SourceType, expected: Mapping[str, Sequence[Claim]]
) -> list[RowT]:
    """Those whose facts do not say what follows from their mirrors; one query."""
    said = stored.current_of_sources(
        project=rows[0].project_id,
        source_type=source_type,
        customer_ids={row.customer_id for row in rows},
        source_ids=[row.pk for row in rows],
    )
    return [row for row in rows if not facts.are_said(said.get(row.pk, []), expected[row.pk])]


def _repair_subscription(row: Subscription, at: datetime) -> str | None:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        provisioning.follow_subscription(subscription=row, customer=customer, at=at)
    return None


def _repair_checkout(row: Checkout, at: datetime) -> str | None:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        provisioning.follow_checkout(checkout=row, customer=customer, at=at)
    return None


def _ledger(after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    checked, mismatches, following = ledger_sums.check_page(after=after, project_id=project_id)
    shown = "the ledger is kept by the database: look at its entries" if repair else None
    return LawPage(checked, [Violation(str(each), shown) for each in mismatches], following)


def _totals(after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = usage_laws.check_totals(after=after, at=at, repair=repair, project_id=project_id)
    return LawPage(page.checked, [Violation(str(each)) for each in page.mismatches], page.after)


def _counters(after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = usage_laws.check_counters(after=after, at=at, repair=repair, project_id=project_id)
    return LawPage(page.checked, [Violation(str(each)) for each in page.mismatches], page.after)


LAWS: dict[str, Callable[[str, datetime, bool, str], LawPage]] = {
    "subscription facts": _subscription_facts,
    "purchase facts": _checkout_facts,
    "credit ledger": _ledger,
    "usage totals": _totals,
    "usage counters": _counters,
}
"""By name, in the order in which they are checked: totals before the counters made of them."""
