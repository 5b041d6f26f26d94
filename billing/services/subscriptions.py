"""What a tenant may do to a running subscription. Stripe decides; we store what it says."""

from datetime import datetime
from enum import Enum

from billing.errors import SubscriptionEnded
from billing.models import Subscription
from billing.models.sync_object import Kind
from billing.selectors import subscriptions as stored
from billing.services import sync
from billing.stripe import subscriptions
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from common.ids import new_id
from events.services import audit


class When(Enum):
    """When a cancellation takes effect."""

    NOW = "now"
    PERIOD_END = "period_end"


def cancel(*, subscription: Subscription, when: When, actor: str, at: datetime) -> Subscription:
    """Ask Stripe to end it, then store what Stripe says is now true.

    One that ends meanwhile, by somebody else's request or by a try of ours whose answer got lost,
    has ended as asked for ``When.NOW``. Raises SubscriptionEnded, StripeUnavailable.
    """
    client, stripe_id = client_for(subscription.account), _stripe_id(subscription)
    key = new_id("req")
    _record(subscription, "subscription.cancel", actor, at, after={"when": when.value})
    try:
        if when is When.NOW:
            subscriptions.cancel_now(client, stripe_id, idempotency_key=key)
        else:
            subscriptions.cancel_at_period_end(client, stripe_id, idempotency_key=key)
    except (StripeObjectMissing, StripeRefused) as refusal:
        found = _read_again(subscription, at=at)
        if when is When.NOW and found.has_ended:
            return found
        _raise_if_ended(found, refusal)
        raise
    return _read_again(subscription, at=at)


def keep(*, subscription: Subscription, actor: str, at: datetime) -> Subscription:
    """Take a cancellation back that has not yet taken effect; as above."""
    client, stripe_id = client_for(subscription.account), _stripe_id(subscription)
    _record(subscription, "subscription.keep", actor, at, after={})
    try:
        subscriptions.keep(client, stripe_id, idempotency_key=new_id("req"))
    except (StripeObjectMissing, StripeRefused) as refusal:
        _raise_if_ended(_read_again(subscription, at=at), refusal)
        raise
    return _read_again(subscription, at=at)


def _stripe_id(subscription: Subscription) -> str:
    if subscription.has_ended or not subscription.stripe_id:
        raise SubscriptionEnded("Open a new checkout to subscribe again.")
    return subscription.stripe_id


def _read_again(subscription: Subscription, *, at: datetime) -> Subscription:
    sync.now(
        account=subscription.account,
        kind=Kind.SUBSCRIPTION,
        stripe_id=subscription.stripe_id or "",
        at=at,
    )
    return stored.get(project=subscription.project, subscription_id=subscription.pk)


def _raise_if_ended(subscription: Subscription, refusal: Exception) -> None:
    """It ended at Stripe before we had heard of it."""
    if subscription.has_ended:
        raise SubscriptionEnded("Open a new checkout to subscribe again.") from refusal


def _record(
    subscription: Subscription, action: str, actor: str, at: datetime, *, after: dict[str, str]
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=subscription.pk,
        project_id=subscription.project_id,
        at=at,
        after=after,
    )
