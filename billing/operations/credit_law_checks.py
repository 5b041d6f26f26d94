"""Compare stored credit grants with the credits of subscriptions and purchases (R12).

A difference counts only if it is confirmed under the customer's lock, which all writers of credits
hold. It is repaired by the ordinary path, which is idempotent and never restores revoked grants.
"""

from datetime import datetime

from django.db import transaction

from billing.access import credits, period_credits, purchase_credits, purchase_facts
from billing.models import Checkout, Subscription
from billing.operations import law_pages
from billing.operations.law_pages import LawPage, LawViolation
from projects.customers import selectors as customers


def check_subscriptions(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    """Credits of periods that began within ``period_credits.FOLLOW_LIMIT``."""
    page = law_pages.subscriptions(after=after, project_id=project_id)
    violations: list[LawViolation] = []
    for of_project in law_pages.by_project(page):
        planned = period_credits.plan(of_project, at=at)
        for row in of_project:
            if row.pk in planned and planned[row.pk].changes:
                violations += _confirm_subscription(row, at, repair)
    return LawPage(len(page), violations, law_pages.end_of(page))


def check_purchases(*, after: str, at: datetime, repair: bool, project_id: str) -> LawPage:
    """Credits of one-time lines."""
    page = law_pages.checkouts(after=after, project_id=project_id)
    violations: list[LawViolation] = []
    for of_project in law_pages.by_project(page):
        line_access = purchase_facts.find_line_access_of_many(of_project)
        planned = purchase_credits.plan(of_project, line_access, at=at)
        for row in of_project:
            if any(draft.is_change for draft in planned[row.pk]):
                violations += _confirm_purchase(row, at, repair)
    return LawPage(len(page), violations, law_pages.end_of(page))


def _confirm_subscription(row: Subscription, at: datetime, repair: bool) -> list[LawViolation]:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        planned = period_credits.plan([row], at=at).get(row.pk)
        changes = planned.changes if planned else []
        if repair and changes:
            credits.follow_subscription(subscription=row, customer=customer, at=at)
    return [
        LawViolation(f"subscription {row.pk}: {change}", project_id=row.project_id, subject=row.pk)
        for change in changes
    ]


def _confirm_purchase(row: Checkout, at: datetime, repair: bool) -> list[LawViolation]:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        line_access = purchase_facts.find_line_access(row)
        drafts = purchase_credits.plan([row], {row.pk: line_access}, at=at)[row.pk]
        changes = [draft for draft in drafts if draft.is_change]
        if repair and changes:
            credits.follow_checkout(checkout=row, line_access=line_access, customer=customer, at=at)
    return [
        LawViolation(f"checkout {row.pk}: {change}", project_id=row.project_id, subject=row.pk)
        for change in changes
    ]
