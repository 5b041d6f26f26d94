"""Create many holders of one product as rows, without Stripe."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from billing.access import purchase_facts
from billing.models import Price, Subscription, SubscriptionItem
from common.ids import new_id
from entitlements.models import Fact
from entitlements.models.fact import SourceType
from projects.models import Customer

DAY = timedelta(days=1)
MANY = 100
"""Rows from which on PostgreSQL plans badly without statistics."""


def subscribers(price: Price, number: int, *, name: str = "user") -> list[Subscription]:
    """So many customers with a running subscription to this price; no facts follow from it yet."""
    now = timezone.now()
    customers = Customer.objects.for_project(price.project_id).bulk_create(
        Customer(project_id=price.project_id, user_id=f"{name}-{each:04}") for each in range(number)
    )
    rows = Subscription.objects.for_project(price.project_id).bulk_create(
        Subscription(
            project_id=price.project_id,
            account_id=price.account_id,
            customer=customer,
            stripe_id=new_id("x")[2:],
            status="active",
            started_at=now - DAY,
            currency=price.currency,
        )
        for customer in customers
    )
    SubscriptionItem.objects.for_project(price.project_id).bulk_create(
        SubscriptionItem(
            project_id=price.project_id,
            subscription=row,
            stripe_id=new_id("y")[2:],
            price=price,
            price_stripe_id=price.stripe_id or "",
            period_start=now - DAY,
            period_end=now + 29 * DAY,
        )
        for row in rows
    )
    if number >= MANY:
        with connection.cursor() as cursor:  # as autovacuum does in time
            cursor.execute("ANALYZE projects_customer, billing_subscription")
            cursor.execute("ANALYZE billing_subscriptionitem")
    return rows


def record_facts(rows: list[Subscription]) -> None:
    """Write down the facts that follow from these subscriptions, all at once."""
    now = timezone.now()
    facts = purchase_facts.of_subscriptions(rows)
    Fact.objects.for_project(rows[0].project_id).bulk_create(
        Fact(
            project_id=row.project_id,
            customer_id=row.customer_id,
            source_type=SourceType.SUBSCRIPTION,
            source_id=row.pk,
            version=1,
            feature_id=claim.feature_id,
            effect=claim.effect,
            value=claim.value,
            reason=claim.reason,
            starts_at=claim.starts_at,
            ends_at=claim.ends_at,
            anchored_at=claim.anchored_at,
            paid_until=claim.paid_until,
            part=claim.part,
            recorded_at=now,
        )
        for row in rows
        for claim in facts[row.pk]
    )
    ids = [row.customer_id for row in rows]
    Customer.objects.for_project(rows[0].project_id).filter(pk__in=ids).update(version=1)
