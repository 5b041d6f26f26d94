"""A sandbox with a frozen clock, and the real SDK as its client."""

from collections.abc import Callable, Iterator

import pytest
import stripe

from sandbox.http_client import SandboxHTTPClient
from sandbox.world import World
from tests.sandbox.shop import Shop
from tests.sandbox.sink import Sink

NOW = 1_800_000_000


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


def client_of(
    world: World, secret_key: str = "sk_test_sandbox", *, retries: int = 0
) -> stripe.StripeClient:
    return stripe.StripeClient(
        secret_key, http_client=SandboxHTTPClient(world), max_network_retries=retries
    )
