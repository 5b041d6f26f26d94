"""Change the price, quantity, add-ons, discounts or trial end of a running subscription.

An upgrade takes effect now and a downgrade at renewal, unless the tenant says otherwise. A change
now is one update at Stripe, which a declined card undoes as a whole, and it removes a scheduled
change. A change at renewal is a schedule of two phases (``billing.subscriptions.schedules``).
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
from billing.subscriptions import schedules
from billing.subscriptions.change_plans import (
    Change,
    ChangePlan,
    ChangeTime,
    Proration,
    added_products,
    check_not_subscribed,
    plan_change,
)
from billing.subscriptions.selectors import subscriptions as stored
from billing.subscriptions.writes import UPDATE, read_again, send_change
from common.errors import NotFound
from events.audit import audit_trail as audit
from projects.models import Project

__all__ = [
    "Change",
    "ChangePlan",
    "ChangeTime",
    "Proration",
    "apply_change",
    "find_subscription",
    "plan_change",
    "was_requested",
]


def apply_change(
    *,
    subscription: Subscription,
    product_id: str,
    change: Change,
    request: str,
    actor: str,
    at: datetime,
    reason: str = "",
) -> Subscription:
    """Apply the change at Stripe, at most once for this ``request``, and store the result.

    Raises what :func:`plan_change` raises, and CardDeclined if the amount due now cannot be paid:
    then nothing has changed. After StripeUnavailable the same request finishes the work.
    """
    earlier_intent = _find_earlier_intent(subscription, request)
    if earlier_intent is not None:
        return _update_now(subscription, earlier_intent.params, request=request, at=at)
    plan = plan_change(subscription=subscription, product_id=product_id, change=change, at=at)
    _close_pages(subscription, plan, at)
    _record_audit(subscription, change, plan, actor=actor, reason=reason, at=at)
    if plan.when is ChangeTime.RENEWAL:
        return schedules.change_at_renewal(
            subscription=subscription,
            after=plan.after,
            params=plan.params,
            request=request,
            at=at,
        )
    return _update_now(subscription, plan.params, request=request, at=at)


def find_subscription(
    *, project: Project, user_id: str, product_id: str, request: str
) -> Subscription:
    """Return the user's subscription to this product.

    If an earlier attempt of this request has already changed it to another product, return that
    subscription. Raises NotFound.
    """
    try:
        row = stored.get_by_product(project=project, user_id=user_id, product=product_id)
    except NotFound:
        others = stored.listing(project=project, user_id=user_id).filter(status__in=LIVE)
        changed = next((other for other in others if _find_earlier_intent(other, request)), None)
        if changed is None:
            raise
        return changed
    return row


def was_requested(subscription: Subscription, *, request: str) -> bool:
    """Return whether an earlier attempt of this request has sent an update to Stripe."""
    return _find_earlier_intent(subscription, request) is not None


def _find_earlier_intent(subscription: Subscription, request: str) -> StripeIntent | None:
    """Return the intent of an earlier attempt of this request, None if there is none."""
    return intents.find_change(
        project_id=subscription.project_id,
        operation=UPDATE,
        target=subscription.stripe_id or "",
        request=request,
    )


def _update_now(
    subscription: Subscription, params: Fields, *, request: str, at: datetime
) -> Subscription:
    """Update the subscription at Stripe. Release its schedule first; restore it on a refusal."""
    released = schedules.release_schedule(subscription=subscription, request=request, at=at)
    try:
        send_change(
            subscription=subscription, operation=UPDATE, params=params, request=request, at=at
        )
    except (CardDeclined, StripeRefused):
        schedules.restore_schedule(
            subscription=subscription, released=released, request=request, at=at
        )
        read_again(subscription, at=at)
        raise
    return read_again(subscription, at=at)


def _close_pages(subscription: Subscription, plan: ChangePlan, at: datetime) -> None:
    """Close open pages on which the customer could also subscribe to the products added.

    Raises AlreadySubscribed if one of them has been paid.
    """
    products = added_products(before=plan.before, after=plan.after)
    for page in checkouts.find_blocking_pages(
        customer=subscription.customer, products=products, cart=None, at=at
    ):
        pages.ensure_closed(checkout=page, at=at)
    check_not_subscribed(subscription=subscription, before=plan.before, after=plan.after)


def _record_audit(
    subscription: Subscription,
    change: Change,
    plan: ChangePlan,
    *,
    actor: str,
    reason: str,
    at: datetime,
) -> None:
    values: dict[str, Any] = {
        "when": plan.when.value,
        "price": change.price,
        "quantity": change.quantity,
        "addons": [list(addon) for addon in change.addons],
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
        after={name: value for name, value in values.items() if value not in (None, [])},
    )
