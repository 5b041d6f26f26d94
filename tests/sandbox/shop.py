"""A shop at the sandbox: products, buyers and the events about them."""

from typing import Any

import stripe

from sandbox import buyer, engine
from sandbox.checkout.completion import CheckoutResult
from sandbox.http_client import SandboxHTTPClient
from sandbox.world import World

NOW = 1_800_000_000

DAY = 86400
VISA = "4242424242424242"
SUCCESS = "https://shop.example/done?session={CHECKOUT_SESSION_ID}"


def client_of(
    world: World, secret_key: str = "sk_test_sandbox", *, retries: int = 0
) -> stripe.StripeClient:
    return stripe.StripeClient(
        secret_key, http_client=SandboxHTTPClient(world), max_network_retries=retries
    )


class Shop:
    def __init__(self, world: World, client: stripe.StripeClient) -> None:
        self.world, self.client = world, client
        self._seen = 0

    def price(self, amount: int = 1000, interval: str | None = "month", **params: Any) -> str:
        """A new price of a new product; ``interval=None``: one-time."""
        product = self.client.v1.products.create({"name": "Pro"})
        if interval:
            params["recurring"] = {"interval": interval} | params.pop("recurring", {})
        new_price = self.client.v1.prices.create(
            {"product": product.id, "currency": "usd", "unit_amount": amount, **params}  # type: ignore[typeddict-item]  # tests send what they like
        )
        return str(new_price.id)

    def meter(self, event_name: str = "calls", formula: str = "sum") -> str:
        meter = self.client.v1.billing.meters.create(
            {
                "display_name": "Calls",
                "event_name": event_name,
                "default_aggregation": {"formula": formula},
            }
        )
        return str(meter.id)

    def metered(self, amount: int = 5, event_name: str = "calls", **params: Any) -> str:
        """A monthly price for each unit of a new meter."""
        recurring = {"usage_type": "metered", "meter": self.meter(event_name)}
        return self.price(amount, recurring=recurring | params.pop("recurring", {}), **params)

    def use(self, customer: str, value: int | str, identifier: str = "", **params: Any) -> Any:
        """Tell the meter ``calls`` of some use."""
        payload = {"stripe_customer_id": customer, "value": str(value)}
        sent: Any = {"event_name": "calls", "payload": payload, **params}
        if identifier:
            sent["identifier"] = identifier
        return self.client.v1.billing.meter_events.create(sent)

    def session(self, price: str, mode: str = "subscription", **params: Any) -> Any:
        """A checkout session, for one unit of the price by default."""
        lines = params.pop("line_items", [{"price": price, "quantity": 1}])
        sent: Any = {"mode": mode, "line_items": lines, "success_url": SUCCESS, **params}
        return self.client.v1.checkout.sessions.create(sent)

    def pay(self, session: Any, card: str | None = VISA, **options: Any) -> CheckoutResult:
        return buyer.pay(self.world, session.id, card=card, **options)

    def subscribe(
        self, price: str | None = None, card: str = "4242424242424242", **data: Any
    ) -> Any:
        """Buy a subscription through Checkout; ``data`` is ``subscription_data``."""
        params: Any = {"subscription_data": data} if data else {}
        session = self.session(price or self.price(), **params)
        assert self.pay(session, card).status == "complete"
        done = self.client.v1.checkout.sessions.retrieve(session.id)
        self.news()
        return self.subscription(str(done.subscription))

    def subscription(self, id: str, *expand: str) -> Any:
        return self.client.v1.subscriptions.retrieve(id, {"expand": list(expand)})

    def customer(self, card: str | None = None) -> str:
        """A customer, with a card as the default if one is given."""
        new_customer = self.client.v1.customers.create({"email": "ada@example.com"})
        if card:
            method = self.client.v1.payment_methods.attach(card, {"customer": new_customer.id})
            self.client.v1.customers.update(
                new_customer.id, {"invoice_settings": {"default_payment_method": method.id}}
            )
        self.news()
        return str(new_customer.id)

    def later(self, days: float = 0, *, seconds: int = 0) -> None:
        """Let time pass, with everything that falls due."""
        now = self.world.clock.now()
        engine.advance(self.world, now + int(days * DAY) + seconds)

    def until(self, moment: int) -> None:
        engine.advance(self.world, moment)

    def events(self) -> list[Any]:
        """The events since the last look, as plain data, in the order they were sent."""
        with self.world.transaction() as tx:
            every = tx.list_objects("event")
        new, self._seen = every[self._seen :], len(every)
        return new

    def news(self) -> list[str]:
        """The types of the events since the last look."""
        return [event["type"] for event in self.events()]
