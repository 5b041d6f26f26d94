"""Fixtures of the tests of subscriptions."""

import pytest

from tests.billing.subscriptions.subscribers import Subscriber
from tests.billing.tenant import Json, Tenant
from tests.billing_fixtures import Clock
from tests.shop import Shop


@pytest.fixture
def ada(tenant: Tenant, shop: Shop, clock: Clock) -> Subscriber:
    return Subscriber(tenant, shop, clock, "ada")


@pytest.fixture
def pro(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Pro"), amount=3000)


@pytest.fixture
def plus(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Plus"), amount=9000)
