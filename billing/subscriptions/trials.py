"""Tell a project in time that a trial is about to end: once for each end that it is given."""

from datetime import datetime, timedelta

from django.db import transaction

from billing import representation
from billing.models import Subscription
from billing.models.subscription import SubscriptionStatus
from billing.subscriptions.selectors import subscriptions as stored
from common import fair_queue
from common.fair_queue import QueueRun, RetryRule
from events.catalog import EventType
from events.services import outbox
from projects.customers import selectors as customers
from projects.models import Customer

NOTICE = timedelta(days=3)
"""How long before its end, as Stripe has it; a shorter trial is told of at once."""
BATCH = 500
RULE = RetryRule(queue="trial_notices", attempts=20)


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
        event_type=EventType.SUBSCRIPTION_TRIAL_ENDING,
        subject=subscription.pk,
        customer_id=customer.pk,
        version=customers.raise_version(customer),
        data=representation.subscription(subscription),
        at=at,
    )
    return True


def tell_due(*, at: datetime) -> int:
    """Tell of every trial whose notice is due, by turns of the projects; how many were told of
    now. An error stays with its subscription."""
    due = stored.ending_trials(after=at, until=at + NOTICE).filter(
        ~fair_queue.is_backing_off(RULE, owner="project_id", subject="pk")
    )
    rows = fair_queue.round_robin(
        due, owner="project_id", order=("trial_ends_at", "pk"), limit=BATCH
    )
    run = QueueRun(RULE)
    return sum(run.attempt(lambda row: _tell(row, at), each) for each in rows)


def _tell(row: Subscription, at: datetime) -> bool:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        fresh = stored.get(project=row.project, subscription_id=row.pk)
        return tell_if_ending(subscription=fresh, customer=customer, at=at)
