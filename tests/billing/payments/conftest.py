"""Fixtures of the tests of payments."""

from copy import deepcopy

import pytest

from projects.models import Project
from tests.billing.payments.line_refunds import create_line_prices, sell
from tests.billing.payments.refund_desk import Desk, Drain
from tests.billing.tenant import Json, Tenant
from tests.prepared_world import PreparedWorld


@pytest.fixture
def desk(tenant: Tenant, project: Project, drain: Drain) -> Desk:
    return Desk(tenant, project, drain)


@pytest.fixture(scope="module")
def prepared_line_prices(prepared_world: PreparedWorld) -> dict[str, Json]:
    return create_line_prices(prepared_world.tenant, prepared_world.project())


@pytest.fixture
def line_prices(prepared_line_prices: dict[str, Json]) -> dict[str, Json]:
    return deepcopy(prepared_line_prices)


@pytest.fixture
def paid_cart(tenant: Tenant, line_prices: dict[str, Json]) -> Json:
    """A cart of both, paid with one payment."""
    return sell(tenant, line_prices.values())
