"""The laws of our own tables, checked every night (docs/rules.md, R11 and R12).

* Facts are a function of the mirrors of subscriptions and purchases.
* Credits are a function of the mirrors of paid periods and purchases.
* The balance of a credit grant equals the amount due, and the sum of its ledger entries.
* Totals equal the sum of their records, counters the sum of the totals in their window.
* Counted days of metrics equal their recount, and spans the mirrors of subscriptions.

Facts, credits, totals, counters and counted days are repaired under the locks of their writers.
Sums of the ledger are only reported: database triggers keep them, so a difference there needs a
person.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from django.db import transaction

from billing.access import purchase_facts
from billing.access import service as access
from billing.analytics import law_checks as metrics_law_checks
from billing.analytics.law_checks import CountCheck
from billing.models import Checkout, Subscription
from billing.operations import credit_law_checks, law_pages
from billing.operations.law_pages import LawPage, LawViolation
from entitlements.credits import credit_dues
from entitlements.credits.selectors import ledger_sums
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.decisions.selectors import facts as fact_selectors
from entitlements.facts import service as facts
from entitlements.models.fact import SourceType
from projects.customers import selectors as customers
from projects.models import Project
from usage.records import law_checks as usage_law_checks
from usage.records.law_checks import UsageCheckPage

RowT = TypeVar("RowT", Subscription, Checkout)


class TableLaw(Protocol):
    """Checks one page of rows after the id ``after``, of one project or (empty) of all."""

    def __call__(self, *, after: str, at: datetime, repair: bool, project_id: str) -> LawPage: ...


def check_page(
    law: str, *, after: str, at: datetime, repair: bool, project: Project | None = None
) -> LawPage:
    """Check one page of this law. A bounded number of queries, plus those of repairs."""
    project_id = project.pk if project is not None else ""
    return LAWS[law](after=after, at=at, repair=repair, project_id=project_id)


def _subscription_facts(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = law_pages.subscriptions(after=after, project_id=project_id)
    violations: list[LawViolation] = []
    for of_project in law_pages.by_project(page):
        expected = purchase_facts.of_subscriptions(of_project)
        for row in _find_wrong(of_project, SourceType.SUBSCRIPTION, expected):
            error = _repair_subscription(row, at) if repair else None
            violations.append(_violation(row, f"facts of subscription {row.pk}", error))
    return LawPage(len(page), violations, law_pages.end_of(page))


def _checkout_facts(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = law_pages.checkouts(after=after, project_id=project_id)
    violations: list[LawViolation] = []
    for of_project in law_pages.by_project(page):
        expected = purchase_facts.of_checkouts(
            of_project, purchase_facts.find_line_access_of_many(of_project)
        )
        for row in _find_wrong(of_project, SourceType.CHECKOUT, expected):
            error = _repair_checkout(row, at) if repair else None
            violations.append(_violation(row, f"facts of checkout {row.pk}", error))
    return LawPage(len(page), violations, law_pages.end_of(page))


def _violation(row: Subscription | Checkout, what: str, error: str | None) -> LawViolation:
    return LawViolation(what, error, project_id=row.project_id, subject=row.pk)


def _find_wrong(
    rows: Sequence[RowT], source_type: SourceType, expected: Mapping[str, Sequence[FactDraft]]
) -> list[RowT]:
    """Rows whose stored facts differ from the expected ones. One query."""
    stored = fact_selectors.current_of_sources(
        project=rows[0].project_id,
        source_type=source_type,
        customer_ids={row.customer_id for row in rows},
        source_ids=[row.pk for row in rows],
    )
    return [row for row in rows if not facts.are_current(stored.get(row.pk, []), expected[row.pk])]


def _repair_subscription(row: Subscription, at: datetime) -> str | None:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        access.recompute_subscription(subscription=row, customer=customer, at=at)
    return None


def _repair_checkout(row: Checkout, at: datetime) -> str | None:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        access.recompute_checkout(checkout=row, customer=customer, at=at)
    return None


def _credit_grants(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    page = credit_dues.check_page(after=after, at=at, repair=repair, project_id=project_id)
    violations = [
        LawViolation(str(each), project_id=each.project_id, subject=each.grant_id)
        for each in page.mismatches
    ]
    return LawPage(page.checked, violations, page.after)


def _ledger(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    checked, mismatches, next_after = ledger_sums.check_page(after=after, project_id=project_id)
    error = "the ledger is kept by the database: look at its entries"
    violations = [
        LawViolation(
            str(each),
            error,
            project_id=each.project_id,
            subject=each.grant_id,
            values={name: (each.kept[name], each.expected[name]) for name in each.differing},
        )
        for each in mismatches
    ]
    return LawPage(checked, violations, next_after)


def _totals(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    return _usage_page(
        usage_law_checks.check_totals(after=after, at=at, repair=repair, project_id=project_id)
    )


def _counters(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    return _usage_page(
        usage_law_checks.check_counters(after=after, at=at, repair=repair, project_id=project_id)
    )


def _usage_page(page: UsageCheckPage) -> LawPage:
    violations = [
        LawViolation(
            str(each),
            project_id=each.project_id,
            subject=each.subject,
            values={"value": (each.stored, each.expected)},
        )
        for each in page.mismatches
    ]
    return LawPage(page.checked, violations, page.after)


def _counts_law(check: Callable[..., CountCheck]) -> TableLaw:
    """A check of counted days as a law."""

    def check_counts(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
        page = check(after=after, at=at, repair=repair, project_id=project_id)
        violations = [
            LawViolation(each.what, project_id=each.project_id, subject=each.subject)
            for each in page.mismatches
        ]
        return LawPage(page.checked, violations, page.after)

    return check_counts


LAWS: dict[str, TableLaw] = {
    "subscription facts": _subscription_facts,
    "purchase facts": _checkout_facts,
    "subscription credits": credit_law_checks.check_subscriptions,
    "purchase credits": credit_law_checks.check_purchases,
    "credit grants": _credit_grants,
    "credit ledger": _ledger,
    "usage totals": _totals,
    "usage counters": _counters,
    "subscription spans": _counts_law(metrics_law_checks.check_spans),
    "subscription metrics": _counts_law(metrics_law_checks.check_days),
    "revenue metrics": _counts_law(metrics_law_checks.check_revenue),
}
"""Laws by name, in the order of their checks: totals before the counters that are sums of them,
spans before the days that are counted from them."""
