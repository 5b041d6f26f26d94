"""What an operator's act on a subscription would do to access. Nothing is written."""

from copy import copy
from datetime import datetime
from typing import Any

from billing.access import purchase_facts
from billing.models import Subscription
from billing.models.subscription import NOT_SERVED, SubscriptionStatus
from entitlements.decisions.selectors import previews
from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.models.fact import SourceType
from entitlements.resolution.facts import Source


def of_end(*, subscription: Subscription, at: datetime) -> list[DecisionChange]:
    """For each feature the decision at ``at`` without and with its end by then."""
    return _of(subscription, at, status=SubscriptionStatus.CANCELED.value)


def of_pause(
    *, subscription: Subscription, resumes_at: datetime | None, at: datetime
) -> list[DecisionChange]:
    return _of(subscription, at, pause_behavior=NOT_SERVED, resumes_at=resumes_at)


def of_resume(*, subscription: Subscription, at: datetime) -> list[DecisionChange]:
    status = subscription.status
    if status == SubscriptionStatus.PAUSED:
        status = SubscriptionStatus.ACTIVE.value
    return _of(subscription, at, pause_behavior="", resumes_at=None, status=status)


def of_undo(*, subscription: Subscription, at: datetime) -> list[DecisionChange]:
    """Nothing changes before the renewal: every feature as it is."""
    return _of(subscription, at)


def _of(subscription: Subscription, at: datetime, **standing: Any) -> list[DecisionChange]:
    row = copy(subscription)
    for name, value in standing.items():
        setattr(row, name, value)
    source = Source(SourceType.SUBSCRIPTION, subscription.pk)
    said = {source: purchase_facts.of_subscription(row)}
    return previews.of_sources(customer=subscription.customer, drafts=said, at=at)
