"""Sell carts and refund their lines."""

from collections.abc import Callable
from typing import Any

from projects.models import Project
from tests.billing.tenant import Json, Tenant

Drain = Callable[[], None]


def create_line_prices(tenant: Tenant, project: Project) -> dict[str, Json]:
    """Two features, each sold once: 60 and 40 dollars."""
    prices = {}
    for code, amount in (("export", 6000), ("import", 4000)):
        tenant.feature(project, code)
        product = tenant.product(code.title(), features=[{"feature": code}])
        prices[code] = tenant.price(product, amount=amount, interval=None)
    return prices


def sell(tenant: Tenant, prices: Any, quantity: int = 1, **body: Any) -> Json:
    lines = [{"price": price["id"], "quantity": quantity} for price in prices]
    response = tenant.api.post("/carts", {"user_id": "alice", "lines": lines})
    assert response.status_code == 201, response.content
    page = tenant.open_cart(response.json(), **body)
    assert tenant.pay(page).status == "complete"
    return tenant.sync(page)


def line_of(paid_cart: Json, price: Json) -> str:
    (line,) = [each for each in paid_cart["lines"] if each["price"] == price["id"]]
    return str(line["id"])


def refund(tenant: Tenant, paid_cart: Json, *lines: Json, key: str = "", **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    if lines:
        body["lines"] = list(lines)
    return tenant.api.post(f"/payments/{paid_cart['payment']}/refunds", body, headers=headers)


def allowed(tenant: Tenant) -> set[str]:
    body = tenant.api.get("/entitlements", query={"user_id": "alice"}).json()
    return {each["feature"] for each in body["entitlements"] if each["allowed"]}


def show(tenant: Tenant, paid_cart: Json) -> dict[str, tuple[int, int]]:
    """The cost of each line and how much of it was refunded."""
    lines = tenant.api.get(f"/checkout/{paid_cart['id']}").json()["lines"]
    return {each["id"]: (each["total"]["amount"], each["refunded"]["amount"]) for each in lines}
