"""Changes of a subscription that wait for its next period: planned, replaced, taken back."""

from datetime import datetime

from billing.errors import NothingScheduled
from billing.models import Subscription
from billing.stripe import schedules, subscriptions
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from billing.stripe.fields import Fields
from billing.subscriptions.subscription_items import BilledItems
from billing.subscriptions.writes import ask, read_again, stripe_id

CREATE = "subscription_schedule.create"
CHANGE = "subscription_schedule.update"
RELEASE = "subscription_schedule.release"


def at_renewal(
    *,
    subscription: Subscription,
    after: BilledItems,
    params: Fields,
    request: str,
    at: datetime,
) -> Subscription:
    """Have Stripe bill ``after`` from the next period on, in place of what was planned before.

    Everything else about the subscription stays as it is, but for ``params``, Stripe's of the next
    phase.
    """
    price = next(each.price for each in after if each.price is not None)
    held, schedule = _scheduled(subscription, request=request, at=at)
    phases = schedules.changed_at_renewal(
        schedule,
        held,
        ends=int(max(item.period_end for item in subscription.items.all()).timestamp()),
        items=[(each.item, each.told()) for each in after],
        interval=price.interval,
        interval_count=price.interval_count,
        params=params,
    )
    _change(subscription, schedule, phases, request=request, at=at)
    return read_again(subscription, at=at)


def undo(*, subscription: Subscription, request: str, at: datetime) -> Subscription:
    """Take back what was planned: the subscription goes on as it is. Raises NothingScheduled."""
    refuse_unplanned(subscription=subscription)
    release(subscription=subscription, request=request, at=at)
    return read_again(subscription, at=at)


def refuse_unplanned(*, subscription: Subscription) -> None:
    """Raises NothingScheduled for one that goes on as it is, SubscriptionEnded."""
    stripe_id(subscription)
    if subscription.scheduled_at is None:
        raise NothingScheduled("There is nothing to take back.")


def release(*, subscription: Subscription, request: str, at: datetime) -> Fields | None:
    """Let the subscription go from its schedule, which stands in the way of other changes.

    What the schedule was, for :func:`restore`; None when there is none, also by now.
    """
    if not subscription.schedule_stripe_id:
        return None
    target = subscription.schedule_stripe_id
    try:
        return ask(
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


def restore(
    *, subscription: Subscription, released: Fields | None, request: str, at: datetime
) -> None:
    """Plan again what a schedule had planned before it made way for what came to nothing.

    ``subscription`` is the row as it was before the release.
    """
    if released is None or subscription.scheduled_at is None:
        return
    again = f"{request} again"
    held, schedule = _scheduled(subscription, request=again, at=at)
    params = schedules.restore_plan(schedule, held, released)
    _change(subscription, schedule, params, request=again, at=at)


def _scheduled(subscription: Subscription, *, request: str, at: datetime) -> tuple[Fields, Fields]:
    """The subscription as Stripe has it now, and its schedule, which begins if there is none."""
    client = client_for(subscription.account)
    held = subscriptions.retrieve_fields(client, stripe_id(subscription))
    return held, held["schedule"] or _begin(subscription, request=request, at=at)


def _begin(subscription: Subscription, *, request: str, at: datetime) -> Fields:
    """A schedule of one phase, the subscription as it is."""
    return ask(
        subscription=subscription,
        operation=CREATE,
        params={"from_subscription": stripe_id(subscription)},
        request=request,
        at=at,
    )


def _change(
    subscription: Subscription, schedule: Fields, params: Fields, *, request: str, at: datetime
) -> None:
    ask(
        subscription=subscription,
        operation=CHANGE,
        params=params,
        request=request,
        at=at,
        target=schedule["id"],
    )
