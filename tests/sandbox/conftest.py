"""A sandbox with a frozen clock, and the real SDK as its client."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import stripe
from werkzeug.test import Client

from sandbox.app import SandboxApplication
from sandbox.world import World
from tests.sandbox.portal_pages import BACK
from tests.sandbox.shop import NOW, Shop, client_of
from tests.sandbox.sink import Sink


@pytest.fixture
def world() -> Iterator[World]:
    world = World(frozen_at=NOW, seed=7)
    yield world
    world.close()


@pytest.fixture
def client(world: World) -> stripe.StripeClient:
    return client_of(world)


@pytest.fixture
def event_types(world: World) -> Callable[[], list[str]]:
    """The types of all events so far, the oldest first."""

    def types() -> list[str]:
        with world.transaction() as tx:
            return [event["type"] for event in tx.list_objects("event")]

    return types


@pytest.fixture
def sink(client: stripe.StripeClient) -> Sink:
    """A receiver of webhooks for all events."""
    endpoint = client.v1.webhook_endpoints.create(
        {"url": "https://example.com/hook", "enabled_events": ["*"]}
    )
    return Sink(str(endpoint.secret))


@pytest.fixture
def shop(world: World, client: stripe.StripeClient) -> Shop:
    return Shop(world, client)


@pytest.fixture
def visitor(world) -> Client:
    return Client(SandboxApplication(world))


@pytest.fixture
def portal_prices(shop):
    """Of a product each: $31.00 a month, $62.00 a month, $10.00 a month."""
    return [
        shop.client.v1.prices.create(
            {"product_data": {"name": "Pro"}, "currency": "usd", "unit_amount": amount,
             "recurring": {"interval": "month"}}
        )
        for amount in (3100, 6200, 1000)
    ]  # fmt: skip


@pytest.fixture
def portal_subscription(shop, portal_prices):
    return shop.subscribe(portal_prices[0].id)


@pytest.fixture
def configure_portal(shop, portal_prices):
    def make(**features):
        update = {
            "enabled": True,
            "default_allowed_updates": ["price", "quantity"],
            "products": [
                {"product": price.product, "prices": [price.id]} for price in portal_prices
            ],
            "proration_behavior": "always_invoice",
            "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
        }
        sent = {
            "customer_update": {"enabled": True, "allowed_updates": ["email", "name"]},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_cancel": {
                "enabled": True,
                "cancellation_reason": {"enabled": True, "options": ["too_expensive", "other"]},
            },
            "subscription_update": update,
        }
        for name, changes in features.items():
            sent[name] = changes if not changes.get("enabled", True) else sent[name] | changes
        configuration = shop.client.v1.billing_portal.configurations.create({"features": sent})
        return configuration.id

    return make


@pytest.fixture
def enter_portal(shop, portal_subscription, configure_portal):
    """Make a session; the path of its page."""

    def make(configuration=None, **params):
        sent = {
            "customer": portal_subscription.customer,
            "configuration": configuration or configure_portal(),
            "return_url": BACK,
            **params,
        }
        session = shop.client.v1.billing_portal.sessions.create(sent)
        shop.news()
        return urlsplit(session.url).path

    return make


@pytest.fixture
def plain_subscription(shop):
    """Of $31.00 a month: a dollar a day."""
    return shop.subscribe(shop.price(3100))


@pytest.fixture
def cheap_price(shop):
    return shop.price(1000)


@pytest.fixture
def pro_subscription(shop):
    """Of $31.00 a month: a dollar a day."""
    return shop.subscribe(shop.price(3100))
