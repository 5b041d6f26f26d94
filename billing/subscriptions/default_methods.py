"""Set a customer's new default payment method on all of the customer's live subscriptions.

Checkout gives a subscription a payment method of its own, which takes precedence over the
customer's default. So a new default, chosen by the tenant or by the user in Stripe's portal, must
also be set on each live subscription. ``StripeCustomer.subscriptions_follow_at`` marks customers
for whom this is still to be done, so a crash or an unavailable Stripe only delays it.
"""

from datetime import datetime, timedelta

import structlog

from billing.accounts.selectors import stripe_customers
from billing.models import StripeCustomer, Subscription
from billing.models.subscription import LIVE
from billing.outbound import intents
from billing.stripe import payment_methods
from billing.stripe.client import client_for
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
)
from billing.stripe.fields import Fields
from billing.subscriptions.schedules import UPDATE as UPDATE_SCHEDULE
from billing.subscriptions.writes import UPDATE
from common.errors import DomainError

log = structlog.get_logger(__name__)

BATCH_SIZE = 100
"""Maximum number of customers in one run."""
RETRY_DELAY = timedelta(seconds=60)
"""Time before the next attempt for a customer whose Stripe account does not answer."""


def update_subscriptions(*, buyer: StripeCustomer, at: datetime) -> None:
    """Set the customer's default payment method on every live subscription of the customer.

    Raises StripeUnavailable, StripeCredentialsRefused: then the customer stays due.
    """
    since = buyer.subscriptions_follow_at
    if since is None or not buyer.stripe_id:
        return
    try:
        method = payment_methods.find_default(client_for(buyer.account), buyer.stripe_id)
    except StripeObjectMissing:
        method = ""
    for subscription in _live_subscriptions(buyer) if method else ():
        _set_default_method(subscription, method, request=f"{method} {since.isoformat()}", at=at)
    _set_due_time(buyer, since, None)


def update_due_subscriptions(*, at: datetime, limit: int = BATCH_SIZE) -> int:
    """Update the subscriptions of due customers. Return how many customers were due.

    A Stripe account that does not answer is tried once per run and delays no other account.
    """
    failed_account_ids: set[str] = set()
    due = stripe_customers.with_new_default_method(at=at, limit=limit)
    for buyer in due:
        try:
            if buyer.account_id not in failed_account_ids:
                update_subscriptions(buyer=buyer, at=at)
                continue
        except DomainError as error:
            failed_account_ids.add(buyer.account_id)
            log.warning("default_method_waits", customer=buyer.pk, error=error.code)
        _set_due_time(buyer, buyer.subscriptions_follow_at, at + RETRY_DELAY)
    return len(due)


def _set_default_method(
    subscription: Subscription, method: str, *, request: str, at: datetime
) -> None:
    """Set the method on the subscription, and on its schedule, whose next phase would reset it."""
    params = {"default_payment_method": method}
    _change_object(subscription, UPDATE, str(subscription.stripe_id), params, request, at)
    if schedule := subscription.schedule_stripe_id:
        _change_object(
            subscription, UPDATE_SCHEDULE, schedule, {"default_settings": params}, request, at
        )


def _change_object(
    subscription: Subscription,
    operation: str,
    target: str,
    params: Fields,
    request: str,
    at: datetime,
) -> None:
    """Send the change; log a refusal, so that the next subscription is updated all the same."""
    try:
        intents.change_object(
            project_id=subscription.project_id,
            account=subscription.account,
            operation=operation,
            subject=subscription.pk,
            target=target,
            params=params,
            request=request,
            at=at,
        )
    except (StripeCredentialsRefused, StripeUnavailable):
        raise
    except (StripeRefused, StripeObjectMissing) as refusal:
        log.warning("default_method_refused", subscription=subscription.pk, error=refusal.code)


def _live_subscriptions(buyer: StripeCustomer) -> list[Subscription]:
    rows = Subscription.objects.for_project(buyer.project_id).filter(
        account_id=buyer.account_id,
        customer_id=buyer.customer_id,
        status__in=LIVE,
        stripe_id__isnull=False,
    )
    return list(rows.select_related("account").order_by("id"))


def _set_due_time(buyer: StripeCustomer, old: datetime | None, new: datetime | None) -> None:
    """Replace the time at which the customer is due, unless a newer default has replaced it."""
    rows = StripeCustomer.objects.for_project(buyer.project_id)
    rows.filter(pk=buyer.pk, subscriptions_follow_at=old).update(subscriptions_follow_at=new)
