"""``/checkout`` refuses what cannot be bought, with a reason and without creating anything."""

from typing import Any

import pytest

from billing.models import Checkout
from projects.models import Project
from tests.billing.tenant import HOME, Tenant, order


def refusal(tenant: Tenant, body: dict[str, Any], path: str = "/checkout") -> tuple[int, str]:
    """Status and code, once it is certain that nothing was opened."""
    response = tenant.api.post(path, body)
    assert tenant.at_stripe("checkout.session") == []
    assert not Checkout.objects.across_projects().exists()
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": ""},
        {"user_id": "u" * 256},
        {"user_id": None},
        {"price": "price_1PgafmB7WZ01zgkW6dKueIc5"},
        {"price": f"price_{'0' * 26}"},
        {"price": None},
        {"quantity": 0},
        {"quantity": -1},
        {"quantity": 1_000_000},
        {"quantity": 1.5},
        {"lines": [{"price": "x"}]},
        {"trial_period_days": 0},
        {"trial_period_days": 731},
        {"email": "nobody"},
        {"metadata": {"a": 1, "b": {}}},
        {"customer": "cus_1"},
        {"success_url": None},
    ],
)
def test_malformed_bodies_are_refused(tenant: Tenant, change: dict[str, Any]) -> None:
    body = {**order(tenant.price()), **change}
    assert refusal(tenant, body) == (422, "invalid")


@pytest.mark.parametrize("lines", [[], [{}], [{"price": "p", "quantity": 1}] * 21, "all"])
def test_malformed_lines(tenant: Tenant, lines: Any) -> None:
    body = {"user_id": "alice", "lines": lines, "success_url": HOME}
    assert refusal(tenant, body) == (422, "invalid")


def test_the_same_price_twice(tenant: Tenant) -> None:
    line = {"price": tenant.price()["id"]}
    body = {"user_id": "alice", "lines": [line, line], "success_url": HOME}
    assert refusal(tenant, body) == (422, "invalid")


def test_an_archived_price_is_refused(tenant: Tenant) -> None:
    price = tenant.price()
    tenant.api.patch(f"/prices/{price['id']}", {"active": False})
    assert refusal(tenant, order(price)) == (409, "not-on-sale")


def test_a_price_of_an_archived_product_is_refused(tenant: Tenant) -> None:
    price = tenant.price()
    tenant.api.patch(f"/products/{price['product']}", {"active": False})
    assert refusal(tenant, order(price)) == (409, "not-on-sale")


def test_a_neighbours_price_is_answered_like_a_missing_one(
    tenant: Tenant, neighbour: Tenant
) -> None:
    assert refusal(tenant, order(neighbour.price())) == (422, "invalid")


def test_a_price_type_is_refused_at_the_other_types_address(tenant: Tenant) -> None:
    monthly, once = tenant.price(), tenant.price(interval=None)
    wrong = (422, "wrong-price-type")
    assert refusal(tenant, order(monthly), "/checkout/item") == wrong
    assert refusal(tenant, order(once), "/checkout/subscription") == wrong
    assert refusal(tenant, order(once, trial_period_days=7)) == (422, "invalid")


def _lines(*prices: dict[str, Any], quantity: int = 1) -> dict[str, Any]:
    lines = [{"price": price["id"], "quantity": quantity} for price in prices]
    return {"user_id": "alice", "lines": lines, "success_url": HOME}


def test_lines_that_cannot_share_a_page_are_refused(tenant: Tenant) -> None:
    monthly, once = tenant.price(), tenant.price(interval=None)
    yearly = tenant.price(tenant.product("B"), interval="year")
    euro = tenant.price(tenant.product("C"), interval=None, currency="eur")
    wrong = (422, "wrong-price-type")
    assert refusal(tenant, _lines(monthly, yearly)) == wrong
    assert refusal(tenant, _lines(once, euro)) == (422, "mixed-currencies")
    assert refusal(tenant, _lines(once, quantity=999_999)) == (422, "amount-too-large")


def test_a_type_that_the_project_does_not_sell_is_refused(tenant: Tenant, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(sells=["item"])
    assert refusal(tenant, order(tenant.price())) == (409, "type-not-sold")


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example.com/thanks",
        "https://evil.example.com/",
        "https://app.example.com.evil.com/",
        "https://app.example.com:8443/",
        "https://app.example.com@evil.com/",
        "https://user:word@app.example.com/",
        "//app.example.com/",
        "/thanks",
        "javascript:alert(1)",
        "https://app.example.com\\@evil.com/",
        "https://app.example.com/ thanks",
        "https://[::1",
        "https://app.example.com:99999/",
        "http://localhost:3000/",
    ],
)
@pytest.mark.parametrize("field", ["success_url", "cancel_url"])
def test_return_urls_must_be_of_the_projects_origins(tenant: Tenant, url: str, field: str) -> None:
    body = {**order(tenant.price()), field: url}
    response = tenant.api.post("/checkout", body)
    assert (response.status_code, response.json()["code"]) == (422, "redirect-not-allowed")
    assert response.json()["errors"][0]["pointer"] == f"#/{field}"
    assert tenant.at_stripe("checkout.session") == []


def test_http_return_urls_are_for_localhost_in_test_mode(tenant: Tenant, project: Project) -> None:
    origins = ["http://localhost:3000", "http://app.example.com", "https://APP.example.com:443"]
    Project.objects.filter(pk=project.pk).update(return_origins=origins)
    price = tenant.price(interval=None)
    assert tenant.open(price, success_url="http://localhost:3000/x")["status"] == "open"
    assert tenant.open(price, success_url="https://app.example.com/x")["status"] == "open"
    refused = tenant.api.post("/checkout", order(price, success_url="http://app.example.com/x"))
    assert refused.json()["code"] == "redirect-not-allowed"


def test_a_second_live_subscription_to_the_same_product(tenant: Tenant) -> None:
    product = tenant.product()
    monthly, yearly = tenant.price(product), tenant.price(product, interval="year")
    tenant.sell(monthly)
    (subscription,) = tenant.api.get("/subscriptions/alice").json()["data"]
    for price in (monthly, yearly):
        refused = tenant.api.post("/checkout", order(price))
        assert (refused.status_code, refused.json()["code"]) == (409, "already-subscribed")
        assert refused.json()["subscription"] == subscription["id"]
    assert len(tenant.at_stripe("checkout.session")) == 1
    assert tenant.open(monthly, user_id="bob")["status"] == "open"
    other = tenant.price(tenant.product("Other"))
    assert tenant.open(other)["status"] == "open"
    tenant.api.delete(f"/subscriptions/alice/{product['id']}", query={"when": "now"})
    assert tenant.open(yearly)["status"] == "open"
