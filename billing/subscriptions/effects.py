"""Preview how an operator's action on a subscription would change access. Nothing is written."""

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


def preview_end(*, subscription: Subscription, at: datetime) -> list[DecisionChange]:
    """Return each feature's decision at ``at`` without and with the subscription's end."""
    return _preview(subscription, at, status=SubscriptionStatus.CANCELED.value)


def preview_pause(
    *, subscription: Subscription, resumes_at: datetime | None, at: datetime
) -> list[DecisionChange]:
    return _preview(subscription, at, pause_behavior=NOT_SERVED, resumes_at=resumes_at)


def preview_resume(*, subscription: Subscription, at: datetime) -> list[DecisionChange]:
    status = subscription.status
    if status == SubscriptionStatus.PAUSED:
        status = SubscriptionStatus.ACTIVE.value
    return _preview(subscription, at, pause_behavior="", resumes_at=None, status=status)


def preview_undo(*, subscription: Subscription, at: datetime) -> list[DecisionChange]:
    """Return each feature's decision. Removing a scheduled change changes none before renewal."""
    return _preview(subscription, at)


def _preview(
    subscription: Subscription, at: datetime, **column_values: Any
) -> list[DecisionChange]:
    row = copy(subscription)
    for name, value in column_values.items():
        setattr(row, name, value)
    source = Source(SourceType.SUBSCRIPTION, subscription.pk)
    drafts = {source: purchase_facts.of_subscription(row)}
    return previews.of_sources(customer=subscription.customer, drafts=drafts, at=at)
