"""Send changes of a subscription to Stripe, once per request, and read the subscription again."""

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

SUBSCRIBE_AGAIN = "Open a new checkout to subscribe again."

UPDATE = "subscription.update"
CANCEL = "subscription.cancel"
RESUME = "subscription.resume"


def send_change(
    *,
    subscription: Subscription,
    operation: str,
    params: dict[str, Any],
    request: str,
    at: datetime,
    target: str = "",
) -> Fields:
    """Send one change to Stripe and return Stripe's answer.

    The change is of the subscription, or of ``target``, such as its schedule. Raises
    SubscriptionEnded if the subscription has ended, and what ``intents.change_object`` raises.
    """
    try:
        return intents.change_object(
            project_id=subscription.project_id,
            account=subscription.account,
            operation=operation,
            subject=subscription.pk,
            target=target or require_stripe_id(subscription),
            params=params,
            request=request,
            at=at,
        )
    except (StripeObjectMissing, StripeRefused) as refusal:
        if read_again(subscription, at=at).has_ended:
            raise SubscriptionEnded(SUBSCRIBE_AGAIN) from refusal
        raise


def require_stripe_id(subscription: Subscription) -> str:
    """Return the subscription's Stripe id. Raises SubscriptionEnded if it has ended."""
    if subscription.has_ended or not subscription.stripe_id:
        raise SubscriptionEnded(SUBSCRIBE_AGAIN)
    return subscription.stripe_id


def read_again(subscription: Subscription, *, at: datetime) -> Subscription:
    """Sync the subscription with Stripe and return its row. Raises StripeUnavailable."""
    sync.now(
        account=subscription.account,
        kind=ObjectKind.SUBSCRIPTION,
        stripe_id=subscription.stripe_id or "",
        at=at,
    )
    return stored.get(project=subscription.project, subscription_id=subscription.pk)
