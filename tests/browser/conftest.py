"""Run the whole product as processes with a selling tenant, for tests of hosted pages."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from devtools.demo.people import Tenant
from devtools.demo.web import Api
from devtools.embedded.place import home_of
from devtools.embedded.servers import Servers
from devtools.stack import Stack
from tests.browser.hosted_page import SHOP
from tests.services import lay_migrated_database, new_home


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """The product, running on servers of its own, until the last test of this directory."""
    var = new_home()
    lay_migrated_database(home_of(var))
    try:
        with ExitStack() as undo:
            with pytest.MonkeyPatch.context() as environment:
                environment.delenv("DATABASE_URL", raising=False)
                environment.delenv("REDIS_URL", raising=False)
                running = undo.enter_context(Stack(var))
            yield running
    finally:
        Servers(home_of(var), durable=True).discard()
        shutil.rmtree(var, ignore_errors=True)


@pytest.fixture(scope="package")
def shop(stack: Stack) -> dict[str, Any]:
    """A tenant with two plans and an item on sale: its hands, and price ids."""
    output = stack.manage("create_project", "Robots", "--return-origin", SHOP)
    key = next(word for word in output.split() if word.startswith("tg_test_"))
    tenant = Tenant(Api(stack.web_url, key))
    monthly = {"interval": "month"}
    return {
        "tenant": tenant,
        "price": _sells(tenant, "Robot Pro", "sso", 2900, **monthly),
        "team": _sells(tenant, "Robot Team", "audit", 9900, **monthly),
        "item": _sells(tenant, "Setup", "setup", 5000),
    }


def _sells(tenant: Tenant, name: str, feature: str, amount: int, **price: Any) -> str:
    tenant.post("/features", {"code": feature, "name": feature.title()})
    product = tenant.post("/products", {"name": name, "features": [{"feature": feature}]})
    unit_amount = {"amount": amount, "currency": "usd"}
    created_price = tenant.post(
        "/prices", {"product": product["id"], "unit_amount": unit_amount, **price}
    )
    return str(created_price["id"])
