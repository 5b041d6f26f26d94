"""How Stripe is asked to change a subscription: once, and then read again, also after a no."""

from datetime import datetime
from typing import Any

from billing.errors import SubscriptionEnded
from billing.models import Subscription
from billing.models.sync_object import ObjectKind
from billing.outbound import intents
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from billing.stripe.fields import Fields
from billing.subscriptions.selectors import subscriptions as stored
from billing.sync import service as sync

AGAIN = "Open a new checkout to subscribe again."

UPDATE = "subscription.update"
CANCEL = "subscription.cancel"
RESUME = "subscription.resume"


def ask(
    *,
    subscription: Subscription,
    operation: str,
    params: dict[str, Any],
    request: str,
    at: datetime,
    target: str = "",
) -> Fields:
    """Stripe's answer to one change of the subscription, or of ``target`` that belongs to it.

    Raises SubscriptionEnded when it has ended, and the errors of ``intents.change_object``.
    """
    try:
        return intents.change_object(
            project_id=subscription.project_id,
            account=subscription.account,
            operation=operation,
            subject=subscription.pk,
            target=target or stripe_id(subscription),
            params=params,
            request=request,
            at=at,
        )
    except (StripeObjectMissing, StripeRefused) as refusal:
        if read_again(subscription, at=at).has_ended:
            raise SubscriptionEnded(AGAIN) from refusal
        raise


def stripe_id(subscription: Subscription) -> str:
    """Raises SubscriptionEnded when there is nothing left to change."""
    if subscription.has_ended or not subscription.stripe_id:
        raise SubscriptionEnded(AGAIN)
    return subscription.stripe_id


def read_again(subscription: Subscription, *, at: datetime) -> Subscription:
    """The row as Stripe has it now."""
    sync.now(
        account=subscription.account,
        kind=ObjectKind.SUBSCRIPTION,
        stripe_id=subscription.stripe_id or "",
        at=at,
    )
    return stored.get(project=subscription.project, subscription_id=subscription.pk)
