"""What a tenant may do to a running subscription. Stripe decides; we store what it says."""

from datetime import datetime
from enum import Enum
from typing import Any

from billing.access.selectors import subscription_invoices
from billing.errors import NotPaused, PaymentOverdue, SubscriptionEnded, SubscriptionNotRunning
from billing.invoices import selectors as invoices
from billing.models import Subscription
from billing.models.subscription import ENTITLING, NOT_SERVED, SubscriptionStatus
from billing.stripe import subscriptions
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing
from billing.subscriptions import schedules as scheduling
from billing.subscriptions.writes import AGAIN, CANCEL, RESUME, UPDATE, ask, read_again, stripe_id
from common.errors import Invalid
from common.ids import new_id
from events.services import audit

IN_FULL = {"invoice_now": True, "prorate": True}
"""Stripe credits what is left of the period to the customer's balance."""


NEW_PERIOD = {
    "billing_cycle_anchor": {"type": "now"},
    "proration_behavior": "none",
    "payment_behavior": "error_if_incomplete",
}
"""A new period begins and is charged at once; a declined card undoes the request as a whole."""


class CancellationTime(Enum):
    """When a cancellation takes effect."""

    NOW = "now"
    PERIOD_END = "period_end"


def cancel(
    *,
    subscription: Subscription,
    when: CancellationTime,
    actor: str,
    at: datetime,
    request: str = "",
    prorate: bool = False,
    reason: str = "",
) -> Subscription:
    """Ask Stripe to end it, then store what Stripe says is now true.

    ``prorate`` credits the rest of the period when it ends now. What was planned for it is taken
    back. One that ends meanwhile, by somebody else's request or by a try of ours whose answer got
    lost, has ended as asked for ``CancellationTime.NOW``. Raises SubscriptionEnded,
    StripeUnavailable, and PaymentOverdue for a credit of what nobody has paid: Stripe would grant
    it.
    """
    stripe_id(subscription)
    if prorate and when is not CancellationTime.NOW:
        raise Invalid("Only a subscription that ends now has time left over.", field="prorate")
    if prorate and invoices.unpaid_of(subscription).exists():
        raise PaymentOverdue("Nothing to credit: an invoice is open. Cancel without prorate.")
    request = request or new_id("req")
    asked = {"when": when.value, **({"prorate": True} if prorate else {})}
    _record(subscription, "subscription.cancel", actor, at, after=asked, reason=reason)
    if when is CancellationTime.PERIOD_END:
        scheduling.release(subscription=subscription, request=request, at=at)
        params = {"cancel_at_period_end": True}
        ask(subscription=subscription, operation=UPDATE, params=params, request=request, at=at)
        return read_again(subscription, at=at)
    try:
        params = IN_FULL if prorate else {}
        ask(subscription=subscription, operation=CANCEL, params=params, request=request, at=at)
    except (SubscriptionEnded, StripeObjectMissing):
        if not (found := read_again(subscription, at=at)).has_ended:
            raise
        return found
    return read_again(subscription, at=at)


def keep(
    *, subscription: Subscription, actor: str, at: datetime, request: str = "", reason: str = ""
) -> Subscription:
    """Take a cancellation back that has not yet taken effect; as above."""
    client, target = client_for(subscription.account), stripe_id(subscription)
    _record(subscription, "subscription.keep", actor, at, after={}, reason=reason)
    try:
        params = subscriptions.keeping(client, target)
    except StripeObjectMissing as missing:
        if read_again(subscription, at=at).has_ended:
            raise SubscriptionEnded(AGAIN) from missing
        raise
    request = request or new_id("req")
    ask(subscription=subscription, operation=UPDATE, params=params, request=request, at=at)
    return read_again(subscription, at=at)


def pause(
    *,
    subscription: Subscription,
    resumes_at: datetime | None,
    actor: str,
    at: datetime,
    request: str = "",
    reason: str = "",
) -> Subscription:
    """Stop serving and billing it until ``resumes_at``, or until it is resumed.

    It keeps its periods; invoices of the pause come to nothing. One that is paused already gets
    the new date. Raises SubscriptionNotRunning, SubscriptionEnded, StripeUnavailable.
    """
    stripe_id(subscription)
    if subscription.status not in ENTITLING:
        raise SubscriptionNotRunning(f"It is {subscription.status}; only a paid one is paused.")
    if resumes_at is not None and resumes_at <= at:
        raise Invalid("Send a time in the future.", field="resumes_at")
    until = None if resumes_at is None else int(resumes_at.timestamp())
    pause = {"behavior": NOT_SERVED, **({"resumes_at": until} if until else {})}
    _record(subscription, "subscription.pause", actor, at, after=pause, reason=reason)
    params = {"pause_collection": pause}
    request = request or new_id("req")
    ask(subscription=subscription, operation=UPDATE, params=params, request=request, at=at)
    return read_again(subscription, at=at)


def resume(
    *, subscription: Subscription, actor: str, at: datetime, request: str = "", reason: str = ""
) -> Subscription:
    """Serve and bill it again from now on.

    One that Stripe paused, because a trial ended without a card, begins a new period and is
    charged for it; so does one whose running period began in the pause and was not billed, also
    when the pause has ended by itself. Raises NotPaused, SubscriptionEnded, StripeUnavailable, and
    CardDeclined when that charge cannot be made: then it stays as it was.
    """
    stripe_id(subscription)
    is_unbilled = _is_unbilled(subscription)
    is_paused = subscription.pause_behavior or subscription.status == SubscriptionStatus.PAUSED
    if not is_paused and not is_unbilled:
        raise NotPaused(f"It is {subscription.status}.")
    _record(subscription, "subscription.resume", actor, at, after={}, reason=reason)
    request = request or new_id("req")
    params: dict[str, Any] = {"pause_collection": ""}
    operation = UPDATE
    if is_unbilled:
        scheduling.release(subscription=subscription, request=request, at=at)
        params |= NEW_PERIOD
    elif not subscription.pause_behavior:
        operation, params = RESUME, {"billing_cycle_anchor": {"type": "now"}}
    ask(subscription=subscription, operation=operation, params=params, request=request, at=at)
    return read_again(subscription, at=at)


def _is_unbilled(subscription: Subscription) -> bool:
    """Whether the period that runs was left unbilled by a pause."""
    began = max((item.period_start for item in subscription.items.all()), default=None)
    if began is None or subscription.status != SubscriptionStatus.ACTIVE:
        return False
    since = {subscription.pk: began}
    rows = [subscription]
    return bool(
        subscription_invoices.find_skipped(
            project_id=subscription.project_id, subscriptions=rows, since=since
        )
    )


def undo(
    *, subscription: Subscription, actor: str, at: datetime, request: str = "", reason: str = ""
) -> Subscription:
    """Take back what is planned for its next period. Raises NothingScheduled."""
    _record(subscription, "subscription.undo", actor, at, after={}, reason=reason)
    request = request or new_id("req")
    return scheduling.undo(subscription=subscription, request=request, at=at)


def _record(
    subscription: Subscription,
    action: str,
    actor: str,
    at: datetime,
    *,
    after: dict[str, Any],
    reason: str,
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=subscription.pk,
        project_id=subscription.project_id,
        at=at,
        after=after,
        reason=reason,
    )
