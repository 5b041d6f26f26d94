"""Create a tenant's subscribers directly at Stripe."""

from typing import Any

from billing.models import StripeCustomer
from billing.models.sync_object import ObjectKind
from billing.sync import service as sync
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock
from tests.shop import Shop


class Subscriber:
    """A user of the tenant with a card on file and subscriptions."""

    def __init__(
        self,
        tenant: Tenant,
        shop: Shop,
        clock: Clock,
        user_id: str = "alice",
        *,
        row: StripeCustomer | None = None,
    ) -> None:
        """``row`` is the customer's; without it the customer is new."""
        self.tenant, self.shop, self.clock = tenant, shop, clock
        self.user_id = user_id
        self.row = row or shop.buyer(user_id)

    def subscribe(self, *prices: Json, quantity: int = 1, **fields: Any) -> Json:
        """Subscribe to these prices; return the subscription as the tenant's API shows it."""
        items = [{"price": price["stripe_id"], "quantity": quantity} for price in prices]
        params: Any = {"customer": self.row.stripe_id, "items": items, **fields}
        subscription = self.shop.stripe.v1.subscriptions.create(params)
        self.sync(subscription.id)
        return self.show(prices[0])

    def sync(self, stripe_id: str) -> None:
        sync.now(
            account=self.shop.account,
            kind=ObjectKind.SUBSCRIPTION,
            stripe_id=stripe_id,
            at=self.clock.now,
        )

    def path(self, price: Json, *rest: str) -> str:
        return "/".join([f"/subscriptions/{self.user_id}/{price['product']}", *rest])

    def show(self, price: Json) -> Json:
        return self._answer(self.tenant.api.get(self.path(price)))

    def change(self, price: Json, /, **body: Any) -> Json:
        return self._answer(self.tenant.api.patch(self.path(price), body))

    def preview(self, price: Json, /, **body: Any) -> Json:
        return self._answer(self.tenant.api.post(self.path(price, "preview"), body))

    def refused(self, price: Json, /, **body: Any) -> tuple[int, str]:
        """Status and code of a change that is refused, and of its preview if that agrees."""
        answer = self.tenant.api.patch(self.path(price), body)
        assert answer.status_code >= 400, answer.content
        return answer.status_code, answer.json()["code"]

    def pause(self, price: Json, /, **body: Any) -> Json:
        return self._answer(self.tenant.api.post(self.path(price, "pause"), body))

    def resume(self, price: Json) -> Json:
        return self._answer(self.tenant.api.post(self.path(price, "resume")))

    def _answer(self, response: Any) -> Json:
        assert response.status_code in (200, 201), response.content
        return dict(response.json())
