"""Queries of metrics read a day or a project by its index, however much there is."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from pytest_django import DjangoDbBlocker

from billing.analytics import money_rows, subscription_days
from billing.analytics import selectors as stored
from billing.models import Payment, RevenueDay, Subscription, SubscriptionDay, SubscriptionSpan
from common.ids import new_id
from projects.models import Customer
from tests.billing.analytics.conftest import DAY, START, TODAY
from tests.billing.analytics.ledger import Ledger
from tests.factories.projects import ProjectFactory
from tests.prepared_world import shared_rows

pytestmark = pytest.mark.django_db

MANY = 4000
DAYS = 400


@pytest.fixture(scope="module")
def many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Ledger]:
    """Thousands of ended subscriptions, payments and counted days of two projects."""
    with shared_rows(django_db_blocker):
        ledgers = [Ledger(ProjectFactory.create(slug=slug)) for slug in ("acme", "borealis")]
        for each in ledgers:
            _fill(each)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        yield ledgers[0]


def _fill(ledger: Ledger) -> None:
    project_id, account = ledger.project.pk, ledger.account
    customers = Customer.objects.for_project(project_id).bulk_create(
        Customer(project_id=project_id, user_id=f"user-{number}") for number in range(MANY)
    )
    starts = [START - (number % DAYS) * DAY for number in range(MANY)]
    fields = [{"project_id": project_id, "customer_id": customer.pk} for customer in customers]
    subscriptions = Subscription.objects.for_project(project_id).bulk_create(
        Subscription(
            **of_customer,
            account=account,
            stripe_id=new_id("x"),
            status="canceled",
            currency="usd",
            started_at=start,
            ended_at=start + DAY,
            updated_at=start + DAY,
        )
        for of_customer, start in zip(fields, starts, strict=True)
    )
    with_changes = Subscription.objects.for_project(project_id)
    for row, start in zip(subscriptions, starts, strict=True):
        row.updated_at = start + DAY
    with_changes.bulk_update(subscriptions, ["updated_at"])
    SubscriptionSpan.objects.for_project(project_id).bulk_create(
        SubscriptionSpan(
            **of_customer,
            subscription=row,
            currency="usd",
            status="active",
            amount=1000,
            starts_on=start.date(),
            ends_on=start.date() + DAY,
        )
        for of_customer, row, start in zip(fields, subscriptions, starts, strict=True)
    )
    Payment.objects.for_project(project_id).bulk_create(
        Payment(
            **of_customer,
            account=account,
            stripe_id=new_id("y"),
            status="paid",
            currency="usd",
            amount=1000,
            amount_received=1000,
            paid_at=start,
        )
        for of_customer, start in zip(fields, starts, strict=True)
    )
    days = [TODAY - number * DAY for number in range(DAYS)]
    SubscriptionDay.objects.for_project(project_id).bulk_create(
        SubscriptionDay(project_id=project_id, currency="usd", day=day, counted_at=START)
        for day in days
    )
    RevenueDay.objects.for_project(project_id).bulk_create(
        RevenueDay(project_id=project_id, currency="usd", day=day, counted_at=START) for day in days
    )


def indexes_of(rows: QuerySet[Any]) -> set[str]:
    """The indexes that the query reads. Fails if it reads a whole table instead."""
    plan = json.loads(rows.explain(format="json"))
    nodes = list(_nodes(plan[0]["Plan"]))
    scanned = [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]
    assert scanned == [], nodes
    return {node["Index Name"] for node in nodes if "Index Name" in node}


def _nodes(node: dict[str, Any]) -> Any:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def test_each_query_has_its_index(many: Ledger) -> None:
    project_id, day = many.project.pk, date(2026, 3, 1)
    spans = SubscriptionSpan.objects.for_project(project_id)
    start, end = START - DAY, START
    changed = stored.changed_subscriptions(project_ids=[project_id], since=start)
    paid = money_rows.payments(start=start, end=end).filter(project_id=project_id)
    expected = {
        "the changed": (changed, "subscription_by_change"),
        "the started": (
            stored.started_on(project_id=project_id, day=day),
            "subscription_by_start",
        ),
        "the canceled": (stored.canceled_on(project_id=project_id, day=day), "subscription_by_end"),
        "the begun": (spans.filter(starts_on=day), "span_by_start"),
        "the ended": (spans.filter(ends_on=day), "span_by_end"),
        "the lasting": (spans.filter(ends_on=date.max), "one_open_span"),
        "the paid": (paid, "revenue_by_time"),
        "the days": (
            stored.days_of(project_ids=[project_id], day=day),
            "billing_subscriptionday_key",
        ),
        "the money": (
            RevenueDay.objects.for_project(project_id).filter(day=day),
            "billing_revenueday_key",
        ),
    }
    used = {name: indexes_of(rows) for name, (rows, _) in expected.items()}
    assert used == {name: {index} for name, (_, index) in expected.items()}


def test_a_day_is_counted_with_few_queries_by_index(many: Ledger) -> None:
    """Customers are read by their spans of the day, and spans by their customers."""
    day = date(2026, 3, 1)
    row = subscription_days.count(project_id=many.project.pk, day=day, at=START)["usd"]
    assert (row.new_customers, row.churned_customers) == (10, 10)
    rows = stored.changed_subscriptions(project_ids=[many.project.pk], since=START)
    spans = SubscriptionSpan.objects.across_projects().filter(
        project_id=many.project.pk, customer__in=rows.values("customer_id")
    )
    assert indexes_of(spans) >= {"subscription_by_change"}
