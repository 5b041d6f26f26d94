"""The event ``subscription.renewed``: once for each renewal, when it is paid."""

from collections.abc import Sequence
from datetime import datetime

from billing import representation
from billing.access.selectors import subscription_invoices
from billing.models import Subscription, SubscriptionItem
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers
from projects.models import Customer


def record_if_paid(
    *,
    subscription: Subscription,
    items: Sequence[SubscriptionItem],
    customer: Customer,
    at: datetime,
) -> bool:
    """Record ``subscription.renewed`` if the running period began by a renewal, is paid and has no
    event yet; returns whether it was recorded. The caller holds the customer's lock."""
    period_start = max((item.period_start for item in items), default=None)
    if (
        period_start is None
        or subscription.renewal_told_for == period_start
        or not subscription.is_entitling
    ):
        return False
    is_first = subscription.renewal_told_for is None
    is_renewed = (
        None
        if is_first
        else subscription_invoices.is_renewed(subscription=subscription, since=period_start)
    )
    if is_renewed is False:
        return False
    subscription.renewal_told_for = period_start
    subscription.save(update_fields=["renewal_told_for"])
    if is_renewed is None:
        return False
    outbox.record(
        project_id=subscription.project_id,
        event_type=EventType.SUBSCRIPTION_RENEWED,
        subject=subscription.pk,
        customer_id=customer.pk,
        version=customers.raise_version(customer),
        data=representation.subscription(subscription, items),
        at=at,
    )
    return True
