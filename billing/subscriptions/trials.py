"""Record ``subscription.trial_ending`` three days before a trial ends, once per trial end."""

from datetime import datetime, timedelta

from django.db import transaction

from billing import representation
from billing.models import Subscription
from billing.models.subscription import SubscriptionStatus
from billing.subscriptions.selectors import subscriptions as stored
from common import fair_queue
from common.fair_queue import QueueRun, RetryRule
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers
from projects.models import Customer

NOTICE_PERIOD = timedelta(days=3)
"""Time before the trial's end, as in Stripe's own event. A shorter trial gets its event at once."""
BATCH_SIZE = 500
RETRY_RULE = RetryRule(queue="trial_notices", attempts=20)


def record_trial_ending(*, subscription: Subscription, customer: Customer, at: datetime) -> bool:
    """Record ``subscription.trial_ending`` if it is due. Return whether it was recorded.

    A trial end that is moved gets a new event. The caller holds the customer's lock.
    """
    ends = subscription.trial_ends_at
    if subscription.status != SubscriptionStatus.TRIALING or ends is None:
        return False
    if not at < ends <= at + NOTICE_PERIOD or subscription.trial_ending_told_for == ends:
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


def record_due_trial_endings(*, at: datetime) -> int:
    """Record the event of every due trial, round robin by project. Return how many were recorded.

    An error delays only its own subscription.
    """
    due = stored.select_ending_trials(after=at, until=at + NOTICE_PERIOD).filter(
        ~fair_queue.is_backing_off(RETRY_RULE, owner="project_id", subject="pk")
    )
    rows = fair_queue.round_robin(
        due, owner="project_id", order=("trial_ends_at", "pk"), limit=BATCH_SIZE
    )
    run = QueueRun(RETRY_RULE)
    return sum(run.attempt(lambda row: _record_trial_ending(row, at), each) for each in rows)


def _record_trial_ending(row: Subscription, at: datetime) -> bool:
    with transaction.atomic():
        customer = customers.lock(project_id=row.project_id, customer_id=row.customer_id)
        fresh = stored.get(project=row.project, subscription_id=row.pk)
        return record_trial_ending(subscription=fresh, customer=customer, at=at)
