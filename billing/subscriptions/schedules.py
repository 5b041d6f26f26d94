"""Schedule a change of a subscription for its renewal; replace, undo and restore the schedule."""

from datetime import datetime

from billing.errors import NothingScheduled
from billing.models import Subscription
from billing.stripe import schedules, subscriptions
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from billing.stripe.fields import Fields
from billing.subscriptions.subscription_items import BilledItems
from billing.subscriptions.writes import read_again, require_stripe_id, send_change

CREATE = "subscription_schedule.create"
UPDATE = "subscription_schedule.update"
RELEASE = "subscription_schedule.release"


def change_at_renewal(
    *,
    subscription: Subscription,
    after: BilledItems,
    params: Fields,
    request: str,
    at: datetime,
) -> Subscription:
    """Schedule ``after`` as the subscription's items from the next period on.

    Replaces an earlier scheduled change. ``params`` are further Stripe parameters of the next
    phase; everything else about the subscription stays as it is.
    """
    price = next(item.price for item in after if item.price is not None)
    stripe_subscription, schedule = _read_subscription_and_schedule(
        subscription, request=request, at=at
    )
    phases = schedules.changed_at_renewal(
        schedule,
        stripe_subscription,
        ends=int(max(item.period_end for item in subscription.items.all()).timestamp()),
        items=[(item.stripe_id, item.to_params()) for item in after],
        interval=price.interval,
        interval_count=price.interval_count,
        params=params,
    )
    _update_schedule(subscription, schedule, phases, request=request, at=at)
    return read_again(subscription, at=at)


def undo_scheduled_change(
    *, subscription: Subscription, request: str, at: datetime
) -> Subscription:
    """Remove the scheduled change. Raises NothingScheduled, SubscriptionEnded."""
    check_scheduled(subscription=subscription)
    release_schedule(subscription=subscription, request=request, at=at)
    return read_again(subscription, at=at)


def check_scheduled(*, subscription: Subscription) -> None:
    """Raise NothingScheduled if no change is scheduled, SubscriptionEnded if it has ended."""
    require_stripe_id(subscription)
    if subscription.scheduled_at is None:
        raise NothingScheduled("No change of this subscription is scheduled.")


def release_schedule(*, subscription: Subscription, request: str, at: datetime) -> Fields | None:
    """Release the subscription from its schedule, which would block other changes.

    Return the released schedule for :func:`restore_schedule`, None if there was none.
    """
    if not subscription.schedule_stripe_id:
        return None
    target = subscription.schedule_stripe_id
    try:
        return send_change(
            subscription=subscription,
            operation=RELEASE,
            params={},
            request=request,
            at=at,
            target=target,
        )
    except (StripeObjectMissing, StripeRefused):
        if read_again(subscription, at=at).schedule_stripe_id:
            raise
        return None


def restore_schedule(
    *, subscription: Subscription, released: Fields | None, request: str, at: datetime
) -> None:
    """Recreate the released schedule after the change that replaced it has failed.

    ``subscription`` is the row as it was before the release.
    """
    if released is None or subscription.scheduled_at is None:
        return
    second_request = f"{request} again"
    stripe_subscription, schedule = _read_subscription_and_schedule(
        subscription, request=second_request, at=at
    )
    params = schedules.restore_plan(schedule, stripe_subscription, released)
    _update_schedule(subscription, schedule, params, request=second_request, at=at)


def _read_subscription_and_schedule(
    subscription: Subscription, *, request: str, at: datetime
) -> tuple[Fields, Fields]:
    """Return Stripe's subscription and its schedule. Create the schedule if there is none."""
    client = client_for(subscription.account)
    stripe_subscription = subscriptions.retrieve_fields(client, require_stripe_id(subscription))
    schedule = stripe_subscription["schedule"] or _create_schedule(
        subscription, request=request, at=at
    )
    return stripe_subscription, schedule


def _create_schedule(subscription: Subscription, *, request: str, at: datetime) -> Fields:
    """Create a schedule with one phase: the subscription as it is."""
    return send_change(
        subscription=subscription,
        operation=CREATE,
        params={"from_subscription": require_stripe_id(subscription)},
        request=request,
        at=at,
    )


def _update_schedule(
    subscription: Subscription, schedule: Fields, params: Fields, *, request: str, at: datetime
) -> None:
    send_change(
        subscription=subscription,
        operation=UPDATE,
        params=params,
        request=request,
        at=at,
        target=schedule["id"],
    )
