"""Changes of a subscription that wait for its next period: planned, replaced, taken back."""

from datetime import datetime

from billing.errors import NothingScheduled
from billing.models import Subscription
from billing.services import arrangements
from billing.services.arrangements import Arrangement
from billing.services.subscription_writes import ask, read_again, stripe_id
from billing.stripe import schedules
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from billing.stripe.fields import Fields

CREATE = "subscription_schedule.create"
CHANGE = "subscription_schedule.update"
RELEASE = "subscription_schedule.release"


def at_renewal(
    *,
    subscription: Subscription,
    after: Arrangement,
    params: Fields,
    request: str,
    at: datetime,
) -> Subscription:
    """Have Stripe bill ``after`` from the next period on, in place of what was planned before.

    ``params`` are what else is to be so from then on, in Stripe's words.
    """
    price = next(each.price for each in after if each.price is not None)
    schedule = _schedule(subscription, request=request, at=at)
    phases = schedules.changed_at_renewal(
        schedule,
        ends=int(max(item.period_end for item in subscription.items.all()).timestamp()),
        items=arrangements.phase_items(after),
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
    schedule = _begin(subscription, request=again, at=at)
    _change(subscription, schedule, schedules.again(released), request=again, at=at)


def _schedule(subscription: Subscription, *, request: str, at: datetime) -> Fields:
    if not subscription.schedule_stripe_id:
        return _begin(subscription, request=request, at=at)
    return schedules.retrieve(client_for(subscription.account), subscription.schedule_stripe_id)


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
