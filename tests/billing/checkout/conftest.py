"""Fixtures of the tests of checkout."""

import pytest

from tests.billing.tenant import Json, Tenant


@pytest.fixture
def cart_plan(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Pro"), 2900)


@pytest.fixture
def cart_seats(tenant: Tenant) -> Json:
    """Another product of the same interval."""
    return tenant.price(tenant.product("Seats"), 500)


@pytest.fixture
def cart_setup(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Setup"), 9900, interval=None)


@pytest.fixture
def page_product(tenant: Tenant) -> Json:
    return tenant.product()


@pytest.fixture
def monthly_plan(tenant: Tenant, page_product: Json) -> Json:
    return tenant.price(page_product)


@pytest.fixture
def yearly_plan(tenant: Tenant, page_product: Json) -> Json:
    return tenant.price(page_product, 29000, interval="year")
