"""The credits that are held beside what subscriptions and purchases give by their money (R12).

A difference counts only if it is still there under the customer's lock, which everything that
gives, takes back or withholds credits holds too. It is repaired by the ordinary path, which states
what a source gives: nothing is given twice, and what a person has revoked stays revoked.
"""

from datetime import datetime

from django.db import transaction

from billing.access import credits, period_credits, purchase_credits, purchase_facts
from billing.models import Checkout, Subscription
from billing.operations import law_pages
from billing.operations.law_pages import LawPage, Violation
from projects.customers import selectors as customers


def check_subscriptions(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    """What periods give, of those that began within ``period_credits.FOLLOW_LIMIT``."""
    page = law_pages.subscriptions(after=after, project_id=project_id)
    found: list[Violation] = []
    for theirs in law_pages.by_project(page):
        planned = period_credits.plan(theirs, at=at)
        for row in theirs:
            if row.pk in planned and planned[row.pk].changes:
                found += _confirm_subscription(row, at, repair)
    return LawPage(len(page), found, law_pages.end_of(page))


def check_purchases(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    """What lines give that are paid once."""
    page = law_pages.checkouts(after=after, project_id=project_id)
    found: list[Violation] = []
    for theirs in law_pages.by_project(page):
        given = purchase_facts.find_line_access_of_many(theirs)
        planned = purchase_credits.plan(theirs, given, at=at)
        for row in theirs:
            if any(draft.is_change for draft in planned[row.pk]):
                found += _confirm_purchase(row, at, repair)
    return LawPage(len(page), found, law_pages.end_of(page))


def _confirm_subscription(row: Subscription, at: datetime, repair: bool) -> list[Violation]:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        planned = period_credits.plan([row], at=at).get(row.pk)
        changes = planned.changes if planned else []
        if repair and changes:
            credits.follow_subscription(subscription=row, customer=customer, at=at)
    return [Violation(f"subscription {row.pk}: {change}") for change in changes]


def _confirm_purchase(row: Checkout, at: datetime, repair: bool) -> list[Violation]:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        given = purchase_facts.find_line_access(row)
        drafts = purchase_credits.plan([row], {row.pk: given}, at=at)[row.pk]
        changes = [draft for draft in drafts if draft.is_change]
        if repair and changes:
            credits.follow_checkout(checkout=row, line_access=given, customer=customer, at=at)
    return [Violation(f"checkout {row.pk}: {change}") for change in changes]
