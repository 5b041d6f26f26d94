"""Read the mirrored subscription of a shop and check its access."""

from collections.abc import Callable

from billing.models import Subscription
from entitlements.decisions.selectors import decisions
from entitlements.resolution.decision import Decision
from tests.sandbox_stripe import Clock
from tests.shop import Shop

Drain = Callable[[], None]


def check(shop: Shop, clock: Clock, feature: str = "sso") -> Decision:
    return decisions.check(project=shop.project, user_id="alice", feature=feature, at=clock.now)


def only_subscription(shop: Shop) -> Subscription:
    return Subscription.objects.for_project(shop.project).get()
