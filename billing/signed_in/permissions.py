"""What a project lets its signed-in users do to their subscriptions.

The settings of its portal hold for its own front end too. A back end is not bound by them.
"""

from dataclasses import replace

from billing.errors import ChangeNotAllowed
from billing.models import Subscription
from billing.models.portal import Cancellation
from billing.models.subscription import SubscriptionStatus
from billing.portal import selectors as portal
from billing.subscriptions import subscription_items
from billing.subscriptions.change_plans import Change, When, arranged
from projects.models import Project


def check_cancellation(*, project: Project) -> None:
    """Raises ChangeNotAllowed where users may not end a subscription by themselves."""
    if portal.settings_of(project).cancellation == Cancellation.NEVER:
        raise ChangeNotAllowed("Users do not cancel here: cancellation is never.")


def allowed_change(*, subscription: Subscription, product_id: str, change: Change) -> Change:
    """The change as the project lets a user make it: what costs less, or is paid in a shorter
    interval, begins with the next period. Raises ChangeNotAllowed for any other, and an Invalid."""
    if not change.is_billed:
        return change
    settings = portal.settings_of(subscription.project)
    if not settings.plan_changes:
        raise ChangeNotAllowed("Users do not change plans here: plan_changes is false.")
    before, after = arranged(subscription=subscription, product_id=product_id, change=change)
    new = {each.product_id for each in after} - {each.product_id for each in before}
    if settings.products and not new <= set(settings.products):
        raise ChangeNotAllowed("Users do not change to this product: it is none of products.")
    is_trial = subscription.status == SubscriptionStatus.TRIALING
    if is_trial or not subscription_items.is_less(before, after):
        return change
    if change.when is When.NOW:
        raise ChangeNotAllowed("It costs less or is shorter: it begins with the next period.")
    return replace(change, when=When.RENEWAL)
