"""The laws of our own tables, checked every night (docs/rules.md, R11 and R12).

* Facts are a function of mirrors: what each subscription and purchase gives.
* Credits are a function of mirrors: what each period and purchase gives by its money.
* What a grant of credits holds is what is due of it, and the sum of its ledger entries.
* Totals are what their records come to, counters what the totals of their window come to.

Facts, credits, totals and counters are repaired, under the locks of those who write them. Sums of
the ledger are only shown: the database's own triggers keep them, so a difference there needs a
person.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from django.db import transaction

from billing.access import purchase_facts
from billing.access import service as access
from billing.models import Checkout, Subscription
from billing.operations import credit_law_checks, law_pages
from billing.operations.law_pages import LawPage, Violation
from entitlements.credits import credit_dues
from entitlements.credits.selectors import ledger_sums
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.decisions.selectors import facts as fact_selectors
from entitlements.facts import service as facts
from entitlements.models.fact import SourceType
from projects.customers import selectors as customers
from projects.models import Project
from usage.records import law_checks as usage_law_checks

RowT = TypeVar("RowT", Subscription, Checkout)


class Law(Protocol):
    """Checks one page of rows behind ``after``, of one project or (empty) of all."""

    def __call__(self, *, after: str, at: datetime, repair: bool, project_id: str) -> LawPage: ...


def check_page(
    law: str, *, after: str, at: datetime, repair: bool, project: Project | None = None
) -> LawPage:
    """Check one page of this law; a bounded number of queries unless something is repaired."""
    project_id = project.pk if project is not None else ""
    return LAWS[law](after=after, at=at, repair=repair, project_id=project_id)


def _subscription_facts(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = law_pages.subscriptions(after=after, project_id=project_id)
    found: list[Violation] = []
    for theirs in law_pages.by_project(page):
        expected = purchase_facts.of_subscriptions(theirs)
        for row in _wrong(theirs, SourceType.SUBSCRIPTION, expected):
            error = _repair_subscription(row, at) if repair else None
            found.append(Violation(f"facts of subscription {row.pk}", error))
    return LawPage(len(page), found, law_pages.end_of(page))


def _checkout_facts(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = law_pages.checkouts(after=after, project_id=project_id)
    found: list[Violation] = []
    for theirs in law_pages.by_project(page):
        expected = purchase_facts.of_checkouts(theirs, purchase_facts.of_pages(theirs))
        for row in _wrong(theirs, SourceType.CHECKOUT, expected):
            error = _repair_checkout(row, at) if repair else None
            found.append(Violation(f"facts of checkout {row.pk}", error))
    return LawPage(len(page), found, law_pages.end_of(page))


def _wrong(
    rows: Sequence[RowT], source_type: SourceType, expected: Mapping[str, Sequence[FactDraft]]
) -> list[RowT]:
    """Those whose facts do not say what follows from their mirrors; one query."""
    said = fact_selectors.current_of_sources(
        project=rows[0].project_id,
        source_type=source_type,
        customer_ids={row.customer_id for row in rows},
        source_ids=[row.pk for row in rows],
    )
    return [row for row in rows if not facts.are_current(said.get(row.pk, []), expected[row.pk])]


def _repair_subscription(row: Subscription, at: datetime) -> str | None:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        access.follow_subscription(subscription=row, customer=customer, at=at)
    return None


def _repair_checkout(row: Checkout, at: datetime) -> str | None:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        access.follow_checkout(checkout=row, customer=customer, at=at)
    return None


def _credit_grants(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = credit_dues.check_page(after=after, at=at, repair=repair, project_id=project_id)
    return LawPage(page.checked, [Violation(str(each)) for each in page.mismatches], page.after)


def _ledger(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    checked, mismatches, following = ledger_sums.check_page(after=after, project_id=project_id)
    shown = "the ledger is kept by the database: look at its entries" if repair else None
    return LawPage(checked, [Violation(str(each), shown) for each in mismatches], following)


def _totals(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = usage_law_checks.check_totals(after=after, at=at, repair=repair, project_id=project_id)
    return LawPage(page.checked, [Violation(str(each)) for each in page.mismatches], page.after)


def _counters(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = usage_law_checks.check_counters(after=after, at=at, repair=repair, project_id=project_id)
    return LawPage(page.checked, [Violation(str(each)) for each in page.mismatches], page.after)


LAWS: dict[str, Law] = {
    "subscription facts": _subscription_facts,
    "purchase facts": _checkout_facts,
    "subscription credits": credit_law_checks.check_subscriptions,
    "purchase credits": credit_law_checks.check_purchases,
    "credit grants": _credit_grants,
    "credit ledger": _ledger,
    "usage totals": _totals,
    "usage counters": _counters,
}
"""By name, in the order in which they are checked: totals before the counters made of them."""
