"""A tenant's back end that sells over HTTP, with buyers who pay on Stripe's page."""

from typing import Any

from entitlements.models import Feature
from sandbox import buyer
from sandbox.checkout.completion import CheckoutResult
from tests.api_client import ApiClient
from tests.factories.entitlements import FeatureFactory
from tests.sandbox_stripe import SandboxStripe

HOME = "https://app.example.com"

Json = dict[str, Any]


class Tenant:
    """A tenant's software; every helper asserts that the service accepted its request."""

    def __init__(self, api: ApiClient, stripe: SandboxStripe) -> None:
        self.api = api
        self.stripe = stripe

    def feature(self, project: Any, code: str = "sso", **kwargs: Any) -> Feature:
        return FeatureFactory.create(project=project, code=code, **kwargs)

    def meter(self, code: str = "bytes", aggregation: str = "sum", **body: Any) -> Json:
        request_body = {"code": code, "name": code.title(), "aggregation": aggregation, **body}
        return self._made(self.api.post("/meters", request_body))

    def product(self, name: str = "Pro", **body: Any) -> Json:
        return self._made(self.api.post("/products", {"name": name, **body}))

    def price(
        self, product: Json | None = None, amount: int = 2900, currency: str = "usd", **body: Any
    ) -> Json:
        """A price, monthly by default; ``interval=None`` makes it one-time."""
        sold = product or self.product()
        unit_amount = {"amount": amount, "currency": currency}
        return self._made(
            self.api.post(
                "/prices",
                {
                    "product": sold["id"],
                    "unit_amount": unit_amount,
                    "interval": "month",
                    **body,
                },
            )
        )

    def open(self, price: Json, user_id: str = "alice", **body: Any) -> Json:
        return self._made(self.api.post("/checkout", order(price, user_id, **body)))

    def cart(self, *prices: Json, user_id: str = "alice", **body: Any) -> Json:
        """One of each of these prices."""
        lines = [{"price": price["id"]} for price in prices]
        return self._made(self.api.post("/carts", {"user_id": user_id, "lines": lines, **body}))

    def open_cart(self, cart: Json, **body: Any) -> Json:
        request_body = {"cart": cart["id"], "success_url": f"{HOME}/thanks", **body}
        return self._made(self.api.post("/checkout/cart", request_body))

    def pay(self, checkout: Json, **how: Any) -> CheckoutResult:
        """The buyer pays on the page."""
        return buyer.pay(self.stripe.world, checkout["url"], **how)

    def sync(self, checkout: Json) -> Json:
        """Sync the checkout, as a tenant does when the buyer returns."""
        response = self.api.post(f"/checkout/{checkout['id']}/sync")
        assert response.status_code == 200, response.content
        return dict(response.json())

    def sell(self, price: Json, user_id: str = "alice", **body: Any) -> Json:
        """Open, pay and sync."""
        checkout = self.open(price, user_id, **body)
        assert self.pay(checkout).status == "complete"
        return self.sync(checkout)

    def at_stripe(self, kind: str) -> list[Json]:
        """Every object of that kind that Stripe has."""
        with self.stripe.world.transaction() as tx:
            return [dict(each) for each in tx.list_objects(kind)]

    def _made(self, response: Any) -> Json:
        assert response.status_code == 201, response.content
        return dict(response.json())


def order(price: Json, user_id: str = "alice", **body: Any) -> Json:
    """The body of a checkout for one of this price."""
    request_body = {"user_id": user_id, "price": price["id"], "success_url": f"{HOME}/thanks"}
    return {**request_body, **body}
