"""``/prices`` and ``/plans`` create and list prices, of which only the sale status can change."""

from typing import Any

import pytest

from tests.billing.tenant import Tenant


def test_a_recurring_price(tenant: Tenant) -> None:
    product = tenant.product()
    price = tenant.price(product, interval="month", interval_count=3, nickname="Quarterly")
    (at_stripe,) = tenant.at_stripe("price")
    assert (price["type"], price["interval"], price["interval_count"]) == ("recurring", "month", 3)
    assert price["unit_amount"] == {"amount": 2900, "currency": "usd"}
    assert price["stripe_id"] == at_stripe["id"]
    assert at_stripe["product"] == product["stripe_id"]
    assert at_stripe["metadata"] == {"tollgate_id": price["id"]}
    assert at_stripe["recurring"]["interval_count"] == 3


@pytest.mark.parametrize(("currency", "amount"), [("jpy", 2900), ("kwd", 2900), ("usd", 0)])
def test_a_one_time_price_in_any_currency(tenant: Tenant, currency: str, amount: int) -> None:
    price = tenant.price(amount=amount, currency=currency, interval=None)
    assert (price["type"], price["interval"], price["interval_count"]) == ("one_time", None, None)
    assert price["unit_amount"] == {"amount": amount, "currency": currency}


def test_only_the_active_flag_of_a_price_can_change(tenant: Tenant) -> None:
    price = tenant.price()
    path = f"/prices/{price['id']}"
    changed = tenant.api.patch(path, {"active": False})
    assert (changed.status_code, changed.json()["active"]) == (200, False)
    assert tenant.at_stripe("price")[0]["active"] is False
    for body in ({}, {"unit_amount": {"amount": 1, "currency": "usd"}}, {"active": None}):
        assert tenant.api.patch(path, body).status_code == 422
    assert tenant.api.get(path).json() == {**price, "active": False}


def test_filters(tenant: Tenant) -> None:
    first, second = tenant.product("A"), tenant.product("B")
    monthly = tenant.price(first)
    once = tenant.price(second, interval=None, currency="eur")
    tenant.api.patch(f"/prices/{once['id']}", {"active": False})

    def price_ids(**query: Any) -> list[str]:
        rows = tenant.api.get("/prices", query=query).json()["data"]
        return [row["id"] for row in rows]

    assert price_ids() == [once["id"], monthly["id"]]
    assert price_ids(product=first["id"]) == [monthly["id"]]
    assert price_ids(active="false") == [once["id"]]
    assert price_ids(type="one_time") == [once["id"]]
    assert price_ids(currency="usd") == [monthly["id"]]
    assert price_ids(product=first["id"], currency="eur") == []


@pytest.mark.parametrize(
    "query",
    [
        {"product": "prod_QXg1o8vcGmoR32"},
        {"active": "perhaps"},
        {"type": "metered"},
        {"currency": "USD"},
        {"currency": "xxx"},
        {"limit": "0"},
        {"cursor": "price_1"},
        {"sort": "amount"},
    ],
)
def test_a_filter_that_is_not_understood_is_refused(tenant: Tenant, query: dict[str, str]) -> None:
    assert tenant.api.get("/prices", query=query).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"unit_amount": None},
        {"unit_amount": 2900},
        {"unit_amount": {"amount": -1, "currency": "usd"}},
        {"unit_amount": {"amount": 100_000_000, "currency": "usd"}},
        {"unit_amount": {"amount": 29.5, "currency": "usd"}},
        {"unit_amount": {"amount": 2900, "currency": "USD"}},
        {"unit_amount": {"amount": 2900, "currency": "xxx"}},
        {"unit_amount": {"amount": 2900}},
        {"unit_amount": {"amount": 2900, "currency": "usd", "tax": 1}},
        {"interval": "fortnight"},
        {"interval_count": 0},
        {"interval_count": 37},
        {"interval": None, "interval_count": 2},
        {"product": "prod_QXg1o8vcGmoR32"},
        {"active": True},
    ],
)
def test_an_invalid_price_is_refused_and_not_created(
    tenant: Tenant, change: dict[str, Any]
) -> None:
    body = {
        "product": tenant.product()["id"],
        "unit_amount": {"amount": 2900, "currency": "usd"},
        "interval": "month",
    }
    assert tenant.api.post("/prices", {**body, **change}).status_code == 422
    assert tenant.at_stripe("price") == []


def test_an_archived_product_gets_no_price(tenant: Tenant) -> None:
    product = tenant.product()
    tenant.api.patch(f"/products/{product['id']}", {"active": False})
    refused = tenant.api.post(
        "/prices",
        {"product": product["id"], "unit_amount": {"amount": 1, "currency": "usd"}},
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "not-on-sale")


def test_plans_are_the_recurring_prices_on_sale(tenant: Tenant) -> None:
    pro, once, archived = tenant.product("Pro"), tenant.product("Once"), tenant.product("Old")
    dear, cheap = tenant.price(pro, amount=9900), tenant.price(pro, amount=900)
    euro = tenant.price(pro, amount=800, currency="eur")
    gone = tenant.price(pro, amount=100)
    tenant.price(once, interval=None)
    tenant.price(archived)
    tenant.api.patch(f"/prices/{gone['id']}", {"active": False})
    tenant.api.patch(f"/products/{archived['id']}", {"active": False})
    (plan,) = tenant.api.get("/plans").json()["data"]
    assert plan == {**pro, "prices": [euro, cheap, dear]}
    (plan,) = tenant.api.get("/plans", query={"currency": "eur"}).json()["data"]
    assert plan["prices"] == [euro]
    assert tenant.api.get("/plans", query={"currency": "jpy"}).json()["data"] == []
