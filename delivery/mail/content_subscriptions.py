"""Messages about subscriptions."""

from datetime import datetime
from typing import Any

from billing.models import Subscription
from billing.models.subscription import SubscriptionStatus
from billing.subscriptions.selectors import subscriptions
from common.errors import NotFound
from common.money import Money
from common.times import parse_optional
from delivery.mail.content import Content, NotificationFacts, Overtaken, data_of
from projects.models import Project


def ending_trial(facts: NotificationFacts) -> Content:
    row = _subscription(facts)
    ends_at = row.trial_ends_at
    if row.status != SubscriptionStatus.TRIALING or ends_at is None or ends_at <= facts.at:
        raise Overtaken("not_trialing")
    if _ends_until(row, ends_at):
        raise Overtaken("canceled")
    if parse_optional(data_of(facts)["trial_ends_at"]) != ends_at:
        raise Overtaken("trial_end_moved")
    return Content(_bought(row) | {"ends_at": ends_at})


def coming_renewal(facts: NotificationFacts) -> Content:
    """``source`` is ``renewal:<subscription>:<end of the period>``."""
    row = _subscription(facts)
    renews_at = datetime.fromisoformat(facts.source.split(":", 2)[2])
    if row.status != SubscriptionStatus.ACTIVE or row.is_paused or row.pause_behavior:
        raise Overtaken("not_active")
    if _ends_until(row, renews_at):
        raise Overtaken("canceled")
    if renews_at <= facts.at or renews_at not in {item.period_end for item in row.items.all()}:
        raise Overtaken("renewal_moved")
    return Content(_bought(row) | {"renews_at": renews_at})


def canceled_subscription(facts: NotificationFacts) -> Content:
    row = _subscription(facts)
    if not row.has_ended:
        raise Overtaken("not_ended")
    return Content(_bought(row) | {"ended_at": row.ended_at or facts.at})


def _ends_until(row: Subscription, at: datetime) -> bool:
    return row.cancel_at is not None and row.cancel_at <= at


def _bought(row: Subscription) -> dict[str, Any]:
    """The products, and what they cost per period if it is known in advance."""
    items = list(row.items.all())
    prices = [item.price for item in items if item.price is not None]
    facts: dict[str, Any] = {
        "product": ", ".join(dict.fromkeys(price.product.name for price in prices))
    }
    is_fixed = len(prices) == len(items) and not any(price.is_metered for price in prices)
    if prices and is_fixed and not row.discounts and not row.automatic_tax:
        total = sum(item.price.amount_of(item.quantity) for item in items if item.price)
        facts["amount"] = Money(total, prices[0].currency)
    return facts


def _subscription(facts: NotificationFacts) -> Subscription:
    try:
        return subscriptions.get(
            project=Project(pk=facts.project_id), subscription_id=facts.subject
        )
    except NotFound:
        raise Overtaken("subscription_gone") from None
