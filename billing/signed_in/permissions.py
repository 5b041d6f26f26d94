"""Changes that a project allows its signed-in users to make to their subscriptions.

The project's portal settings apply to its own front end too. Its back end is not limited by them.
"""

from dataclasses import replace

from billing.errors import ChangeNotAllowed
from billing.models import Subscription
from billing.models.portal import Cancellation
from billing.models.subscription import SubscriptionStatus
from billing.portal import selectors as portal
from billing.subscriptions import subscription_items
from billing.subscriptions.change_plans import Change, ChangeTime, items_before_and_after
from projects.models import Project


def check_cancellation(*, project: Project) -> None:
    """Raises ChangeNotAllowed if users of the project may not cancel subscriptions."""
    if portal.get_settings(project).cancellation == Cancellation.NEVER:
        raise ChangeNotAllowed("Users do not cancel here: cancellation is never.")


def allowed_change(*, subscription: Subscription, product_id: str, change: Change) -> Change:
    """The change as a user may make it: a change to a lower price or a shorter interval begins with
    the next period. Raises ChangeNotAllowed for a change that is not allowed, and an Invalid."""
    if not change.is_billed:
        return change
    settings = portal.get_settings(subscription.project)
    if not settings.plan_changes:
        raise ChangeNotAllowed("Users do not change plans here: plan_changes is false.")
    before, after = items_before_and_after(
        subscription=subscription, product_id=product_id, change=change
    )
    new = {item.product_id for item in after} - {item.product_id for item in before}
    if settings.products and not new <= set(settings.products):
        raise ChangeNotAllowed("The product is not in the project's portal setting products.")
    is_trial = subscription.status == SubscriptionStatus.TRIALING
    if is_trial or not subscription_items.is_downgrade(before, after):
        return change
    if change.when is ChangeTime.NOW:
        raise ChangeNotAllowed(
            "The change costs less or has a shorter interval: it can only begin at renewal."
        )
    return replace(change, when=ChangeTime.RENEWAL)
