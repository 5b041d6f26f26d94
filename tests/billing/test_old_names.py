"""Fields that earlier APIs called ``price_id`` and ``product_id`` are taken by those names too."""

from typing import Any

import pytest

from tests.api_client import ApiClient
from tests.billing.tenant import HOME, Json, Tenant


@pytest.fixture
def price(tenant: Tenant) -> Json:
    return tenant.price()


def sale(**body: Any) -> Json:
    return {"user_id": "alice", "success_url": f"{HOME}/thanks", **body}


def test_a_price_is_taken_by_its_old_name(api: ApiClient, price: Json) -> None:
    opened = api.post("/checkout/session", sale(price_id=price["id"], quantity=2))
    assert opened.status_code == 201, opened.content
    [line] = opened.json()["lines"]
    assert (line["price"], line["quantity"]) == (price["id"], 2)
    lines = [{"price_id": price["id"]}]
    cart = api.post("/carts", {"user_id": "bob", "lines": lines}).json()
    assert cart["lines"][0]["price"] == price["id"]


def test_a_product_is_taken_by_its_old_name(api: ApiClient, price: Json) -> None:
    amount = {"amount": 500, "currency": "usd"}
    body = {"product_id": price["product"], "unit_amount": amount, "interval": "year"}
    created = api.post("/prices", body)
    assert (created.status_code, created.json()["product"]) == (201, price["product"])
    listed = api.get("/prices", query={"product_id": price["product"]}).json()["data"]
    assert {row["id"] for row in listed} == {price["id"], created.json()["id"]}


def test_both_names_may_say_the_same_and_not_two_things(
    api: ApiClient, tenant: Tenant, price: Json
) -> None:
    same = api.post("/checkout", sale(price=price["id"], price_id=price["id"]))
    assert same.status_code == 201
    other = tenant.price()
    refused = api.post("/checkout", sale(price=price["id"], price_id=other["id"]))
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/price_id"]
    assert "differs from price" in refused.json()["errors"][0]["detail"]


def test_other_fields_have_no_old_names(api: ApiClient, price: Json) -> None:
    for body in (
        {"name": "Pro", "product_id": price["product"]},
        {"name": "Pro", "price_id": price["id"]},
    ):
        answer = api.post("/products", body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == "unknown"


@pytest.mark.parametrize("value", [None, 7, [], {}, ["x"], {"price": "x"}, "", "x" * 10_000])
def test_a_hostile_value_is_refused_like_one_of_the_present_name(
    api: ApiClient, price: Json, value: Any
) -> None:
    old = api.post("/checkout", sale(price_id=value))
    present = api.post("/checkout", sale(price=value))
    assert old.status_code == present.status_code == 422
    assert old.json()["errors"] == present.json()["errors"]
