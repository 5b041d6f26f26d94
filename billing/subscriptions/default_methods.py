"""Subscriptions follow their customer's default payment method.

Checkout gives a subscription a payment method of its own, which goes before the customer's. So a
new default would pay no renewal: each live subscription of the customer is told of it as well,
whether the tenant has chosen it or the user in Stripe's portal. The customer's row says that this
is still to be done, so a crash or a silent Stripe only delays it.
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
from billing.subscriptions.schedules import CHANGE as CHANGE_SCHEDULE
from billing.subscriptions.writes import UPDATE
from common.errors import DomainError

log = structlog.get_logger(__name__)

RUN = 100
"""Customers that one run looks at."""
PAUSE = timedelta(seconds=60)
"""Before the next try for a customer whose account does not answer."""


def follow(*, buyer: StripeCustomer, at: datetime) -> None:
    """Have every live subscription of the customer paid by the customer's default method.

    Raises StripeUnavailable or StripeCredentialsRefused: then it stays to be done.
    """
    since = buyer.subscriptions_follow_at
    if since is None or not buyer.stripe_id:
        return
    try:
        method = payment_methods.find_default(client_for(buyer.account), buyer.stripe_id)
    except StripeObjectMissing:
        method = ""
    for subscription in _live(buyer) if method else ():
        _tell(subscription, method, request=f"{method} {since.isoformat()}", at=at)
    _mark(buyer, since, None)


def follow_due(*, at: datetime, limit: int = RUN) -> int:
    """Do that for customers of whom it is still to be done; how many were looked at.

    An account that does not answer is asked once in a run and holds no other account up.
    """
    silent: set[str] = set()
    due = stripe_customers.with_new_default_method(at=at, limit=limit)
    for buyer in due:
        try:
            if buyer.account_id not in silent:
                follow(buyer=buyer, at=at)
                continue
        except DomainError as error:
            silent.add(buyer.account_id)
            log.warning("default_method_waits", customer=buyer.pk, error=error.code)
        _mark(buyer, buyer.subscriptions_follow_at, at + PAUSE)
    return len(due)


def _tell(subscription: Subscription, method: str, *, request: str, at: datetime) -> None:
    """A schedule is told as well: its next phase would bring the old method back."""
    own = {"default_payment_method": method}
    _ask(subscription, UPDATE, str(subscription.stripe_id), own, request, at)
    if schedule := subscription.schedule_stripe_id:
        _ask(subscription, CHANGE_SCHEDULE, schedule, {"default_settings": own}, request, at)


def _ask(
    subscription: Subscription,
    operation: str,
    target: str,
    params: Fields,
    request: str,
    at: datetime,
) -> None:
    """One subscription that Stripe refuses to change, or has ended, holds no other up."""
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


def _live(buyer: StripeCustomer) -> list[Subscription]:
    rows = Subscription.objects.for_project(buyer.project_id).filter(
        account_id=buyer.account_id,
        customer_id=buyer.customer_id,
        status__in=LIVE,
        stripe_id__isnull=False,
    )
    return list(rows.select_related("account").order_by("id"))


def _mark(buyer: StripeCustomer, since: datetime | None, until: datetime | None) -> None:
    """Done, or to be tried again; unless there is a newer default by now."""
    rows = StripeCustomer.objects.for_project(buyer.project_id)
    rows.filter(pk=buyer.pk, subscriptions_follow_at=since).update(subscriptions_follow_at=until)
