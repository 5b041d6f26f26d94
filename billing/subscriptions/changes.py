"""Another price, quantity, add-on, discount or trial end for a running subscription.

What costs more takes effect at once, what costs less with the next period, unless the tenant says
otherwise. At once is one request to Stripe that a declined card undoes as a whole; at renewal is a
schedule of two phases (``billing.subscriptions.schedules``), which every change at once sets aside.
"""

from datetime import datetime
from typing import Any

from billing.checkout import sessions as pages
from billing.checkout.selectors import checkouts
from billing.models import StripeIntent, Subscription
from billing.models.subscription import LIVE
from billing.outbound import intents
from billing.stripe.errors import CardDeclined, StripeRefused
from billing.stripe.fields import Fields
from billing.subscriptions import schedules as scheduling
from billing.subscriptions.change_plans import (
    Change,
    ChangeTime,
    Planned,
    Proration,
    added,
    plan,
    refuse_second,
)
from billing.subscriptions.selectors import subscriptions as stored
from billing.subscriptions.writes import UPDATE, ask, read_again
from common.errors import NotFound
from events.services import audit
from projects.models import Project

__all__ = ["Change", "ChangeTime", "Planned", "Proration", "find", "is_begun", "make", "plan"]


def make(
    *,
    subscription: Subscription,
    product_id: str,
    change: Change,
    request: str,
    actor: str,
    at: datetime,
    reason: str = "",
) -> Subscription:
    """Carry the change out, at most once for this ``request``, and store what Stripe then says.

    Raises as :func:`plan`; CardDeclined when what is due now cannot be paid: then nothing has
    changed. After StripeUnavailable the same request finishes what this one began.
    """
    begun = _begun(subscription, request)
    if begun is not None:
        return _now(subscription, begun.params, request=request, at=at)
    planned = plan(subscription=subscription, product_id=product_id, change=change, at=at)
    _make_way(subscription, planned, at)
    _record(subscription, change, planned, actor=actor, reason=reason, at=at)
    if planned.when is ChangeTime.RENEWAL:
        return scheduling.at_renewal(
            subscription=subscription,
            after=planned.after,
            params=planned.params,
            request=request,
            at=at,
        )
    return _now(subscription, planned.params, request=request, at=at)


def find(*, project: Project, user_id: str, product_id: str, request: str) -> Subscription:
    """The user's subscription to this product, or the one that an earlier try of this request has
    changed to another product. Raises NotFound."""
    try:
        row = stored.of_product(project=project, user_id=user_id, product=product_id)
    except NotFound:
        others = stored.listing(project=project, user_id=user_id).filter(status__in=LIVE)
        changed = next((each for each in others if _begun(each, request)), None)
        if changed is None:
            raise
        return changed
    return row


def is_begun(subscription: Subscription, *, request: str) -> bool:
    """Whether an earlier try of this request has asked Stripe for something now."""
    return _begun(subscription, request) is not None


def _begun(subscription: Subscription, request: str) -> StripeIntent | None:
    """What an earlier try of the same request has asked Stripe for."""
    return intents.find_change(
        project_id=subscription.project_id,
        operation=UPDATE,
        target=subscription.stripe_id or "",
        request=request,
    )


def _now(subscription: Subscription, params: Fields, *, request: str, at: datetime) -> Subscription:
    """A schedule makes way first, and is made again when the bank says no."""
    released = scheduling.release(subscription=subscription, request=request, at=at)
    try:
        ask(subscription=subscription, operation=UPDATE, params=params, request=request, at=at)
    except (CardDeclined, StripeRefused):
        scheduling.restore(subscription=subscription, released=released, request=request, at=at)
        read_again(subscription, at=at)
        raise
    return read_again(subscription, at=at)


def _make_way(subscription: Subscription, planned: Planned, at: datetime) -> None:
    """Close the pages on which the customer could subscribe to what is new as well.

    Raises AlreadySubscribed when one has been paid.
    """
    products = added(before=planned.before, after=planned.after)
    for page in checkouts.blocking_pages(
        customer=subscription.customer, products=products, cart=None, at=at
    ):
        pages.ensure_closed(checkout=page, at=at)
    refuse_second(subscription=subscription, before=planned.before, after=planned.after)


def _record(
    subscription: Subscription,
    change: Change,
    planned: Planned,
    *,
    actor: str,
    reason: str,
    at: datetime,
) -> None:
    said: dict[str, Any] = {
        "when": planned.when.value,
        "price": change.price,
        "quantity": change.quantity,
        "addons": [list(each) for each in change.addons],
        "discounts": list(change.discounts) if change.discounts is not None else None,
        "trial_end": str(change.trial_end) if change.trial_end is not None else None,
    }
    audit.record(
        actor=actor,
        action="subscription.change",
        subject=subscription.pk,
        project_id=subscription.project_id,
        at=at,
        reason=reason,
        after={name: value for name, value in said.items() if value not in (None, [])},
    )
