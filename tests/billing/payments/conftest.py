"""Fixtures of the tests of payments."""

import pytest

from projects.models import Project
from tests.billing.payments.line_refunds import sell
from tests.billing.payments.refund_desk import Desk, Drain
from tests.billing.tenant import Json, Tenant


@pytest.fixture
def desk(tenant: Tenant, project: Project, drain: Drain) -> Desk:
    return Desk(tenant, project, drain)


@pytest.fixture
def line_prices(tenant: Tenant, project: Project) -> dict[str, Json]:
    """Two features, each sold once: 60 and 40 dollars."""
    found = {}
    for code, amount in (("export", 6000), ("import", 4000)):
        tenant.feature(project, code)
        product = tenant.product(code.title(), features=[{"feature": code}])
        found[code] = tenant.price(product, amount=amount, interval=None)
    return found


@pytest.fixture
def paid_cart(tenant: Tenant, line_prices: dict[str, Json]) -> Json:
    """A cart of both, paid with one payment."""
    return sell(tenant, line_prices.values())
