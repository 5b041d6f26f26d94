"""Tell a project in time that a trial is about to end: once for each end that it is given."""

from datetime import datetime, timedelta

from django.db import transaction

from billing import representation
from billing.models import Subscription
from billing.models.subscription import SubscriptionStatus
from billing.selectors import subscriptions as stored
from events.catalog import EventType
from events.services import outbox
from projects.models import Customer
from projects.selectors import customers

NOTICE = timedelta(days=3)
"""How long before its end, as Stripe has it; a shorter trial is told of at once."""
BATCH = 500


def tell_if_ending(*, subscription: Subscription, customer: Customer, at: datetime) -> bool:
    """Record ``subscription.trial_ending`` unless it is too early or was told; whether it was due.

    The caller holds the customer's lock. An end that is moved is told of again.
    """
    ends = subscription.trial_ends_at
    if subscription.status != SubscriptionStatus.TRIALING or ends is None:
        return False
    if not at < ends <= at + NOTICE or subscription.trial_ending_told_for == ends:
        return False
    subscription.trial_ending_told_for = ends
    subscription.save(update_fields=["trial_ending_told_for"])
    outbox.record(
        project_id=subscription.project_id,
        type=EventType.SUBSCRIPTION_TRIAL_ENDING,
        subject=subscription.pk,
        customer_id=customer.pk,
        version=customers.bump(customer),
        data=representation.subscription(subscription),
        at=at,
    )
    return True


def tell_due(*, at: datetime) -> int:
    """Tell of every trial whose notice is due; how many were told of now."""
    told = 0
    for row in stored.ending_trials(after=at, until=at + NOTICE)[:BATCH]:
        told += _tell(row, at)
    return told


def _tell(row: Subscription, at: datetime) -> bool:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        fresh = stored.get(project=row.project, subscription_id=row.pk)
        return tell_if_ending(subscription=fresh, customer=customer, at=at)
