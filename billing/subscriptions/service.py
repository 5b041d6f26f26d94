"""Cancel, pause and resume a running subscription. Stripe decides; we store what Stripe returns."""

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
from billing.subscriptions import schedules
from billing.subscriptions.writes import (
    CANCEL,
    RESUME,
    SUBSCRIBE_AGAIN,
    UPDATE,
    read_again,
    require_stripe_id,
    send_change,
)
from common.errors import Invalid
from common.ids import new_id
from events.audit import audit_trail as audit

CREDIT_REST = {"invoice_now": True, "prorate": True}
"""Stripe credits the rest of the period to the customer's balance."""
NEW_PERIOD = {
    "billing_cycle_anchor": {"type": "now"},
    "proration_behavior": "none",
    "payment_behavior": "error_if_incomplete",
}
"""Stripe starts and charges a new period now; a declined card undoes the request as a whole."""


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
    """Cancel the subscription at Stripe, then store what Stripe returns.

    ``prorate`` credits the rest of the period; only with ``CancellationTime.NOW``. A scheduled
    change is removed. If the subscription ends during the request, by another request or by an
    earlier attempt, that counts as success for ``CancellationTime.NOW``.

    Raises SubscriptionEnded, StripeUnavailable, and PaymentOverdue for ``prorate`` with an open
    invoice: Stripe would credit money that was never paid.
    """
    require_stripe_id(subscription)
    if prorate and when is not CancellationTime.NOW:
        raise Invalid("Send it only with when=now.", field="prorate")
    if prorate and invoices.select_unpaid(subscription).exists():
        raise PaymentOverdue("An invoice is still open. Cancel without prorate.")
    request = request or new_id("req")
    after = {"when": when.value, **({"prorate": True} if prorate else {})}
    _record_audit(subscription, "subscription.cancel", actor, at, after=after, reason=reason)
    if when is CancellationTime.PERIOD_END:
        schedules.release_schedule(subscription=subscription, request=request, at=at)
        params = {"cancel_at_period_end": True}
        send_change(
            subscription=subscription, operation=UPDATE, params=params, request=request, at=at
        )
        return read_again(subscription, at=at)
    try:
        params = CREDIT_REST if prorate else {}
        send_change(
            subscription=subscription, operation=CANCEL, params=params, request=request, at=at
        )
    except (SubscriptionEnded, StripeObjectMissing):
        if not (row := read_again(subscription, at=at)).has_ended:
            raise
        return row
    return read_again(subscription, at=at)


def undo_cancellation(
    *, subscription: Subscription, actor: str, at: datetime, request: str = "", reason: str = ""
) -> Subscription:
    """Remove a scheduled cancellation.

    Raises SubscriptionEnded if it has already taken effect, StripeUnavailable.
    """
    client, target = client_for(subscription.account), require_stripe_id(subscription)
    _record_audit(subscription, "subscription.keep", actor, at, after={}, reason=reason)
    try:
        params = subscriptions.undo_cancellation_params(client, target)
    except StripeObjectMissing as missing:
        if read_again(subscription, at=at).has_ended:
            raise SubscriptionEnded(SUBSCRIBE_AGAIN) from missing
        raise
    request = request or new_id("req")
    send_change(subscription=subscription, operation=UPDATE, params=params, request=request, at=at)
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
    """Stop access and billing until ``resumes_at``, or until :func:`resume` is called.

    Its periods continue; Stripe voids the invoices of the pause. A paused subscription gets the new
    ``resumes_at``. Raises SubscriptionNotRunning, SubscriptionEnded, StripeUnavailable.
    """
    require_stripe_id(subscription)
    if subscription.status not in ENTITLING:
        raise SubscriptionNotRunning(
            f"The subscription is {subscription.status}. Only one that gives access can be paused."
        )
    if resumes_at is not None and resumes_at <= at:
        raise Invalid("Send a time in the future.", field="resumes_at")
    until = None if resumes_at is None else int(resumes_at.timestamp())
    pause = {"behavior": NOT_SERVED, **({"resumes_at": until} if until else {})}
    _record_audit(subscription, "subscription.pause", actor, at, after=pause, reason=reason)
    params = {"pause_collection": pause}
    request = request or new_id("req")
    send_change(subscription=subscription, operation=UPDATE, params=params, request=request, at=at)
    return read_again(subscription, at=at)


def resume(
    *, subscription: Subscription, actor: str, at: datetime, request: str = "", reason: str = ""
) -> Subscription:
    """Restore access and billing from now on.

    A new period starts and is charged in two cases: Stripe paused the subscription because its
    trial ended without a card; or the running period started during the pause and was not billed,
    even if the pause has ended by itself. Raises NotPaused, SubscriptionEnded, StripeUnavailable,
    and CardDeclined if that charge fails: then nothing changes.
    """
    require_stripe_id(subscription)
    is_unbilled = _is_unbilled(subscription)
    is_paused = subscription.pause_behavior or subscription.status == SubscriptionStatus.PAUSED
    if not is_paused and not is_unbilled:
        raise NotPaused(f"The subscription is {subscription.status}.")
    _record_audit(subscription, "subscription.resume", actor, at, after={}, reason=reason)
    request = request or new_id("req")
    params: dict[str, Any] = {"pause_collection": ""}
    operation = UPDATE
    if is_unbilled:
        schedules.release_schedule(subscription=subscription, request=request, at=at)
        params |= NEW_PERIOD
    elif not subscription.pause_behavior:
        operation, params = RESUME, {"billing_cycle_anchor": {"type": "now"}}
    send_change(
        subscription=subscription, operation=operation, params=params, request=request, at=at
    )
    return read_again(subscription, at=at)


def _is_unbilled(subscription: Subscription) -> bool:
    """Return whether a pause left the running period unbilled."""
    period_start = max((item.period_start for item in subscription.items.all()), default=None)
    if period_start is None or subscription.status != SubscriptionStatus.ACTIVE:
        return False
    invoices = subscription_invoices.find_running(
        project_id=subscription.project_id, subscriptions=[subscription], since=period_start
    )
    return subscription_invoices.is_skipped(invoices, subscription=subscription, since=period_start)


def undo_scheduled_change(
    *, subscription: Subscription, actor: str, at: datetime, request: str = "", reason: str = ""
) -> Subscription:
    """Remove the change that is scheduled for the renewal. Raises NothingScheduled."""
    _record_audit(subscription, "subscription.undo", actor, at, after={}, reason=reason)
    request = request or new_id("req")
    return schedules.undo_scheduled_change(subscription=subscription, request=request, at=at)


def _record_audit(
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
