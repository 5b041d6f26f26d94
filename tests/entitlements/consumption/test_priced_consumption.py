"""Consumption of priced features spends credits once, at the price of its time."""

from typing import Any

import pytest

from tests.api_client import ApiClient
from tests.entitlements.consumption.consumption_calls import (
    Json,
    allow,
    consume,
    cost,
    deny,
    post,
    post_credits,
)

pytestmark = pytest.mark.django_db


def test_credits_pay_for_uses_and_wait_for_reserved_ones(api, project, customer, images) -> None:
    allow(customer, images, 4)
    response = api.post("/credits/ada/grant", {"amount": 30, "reason": "Welcome."})
    assert response.status_code == 201, response.content

    def use(amount: int, verb: str = "consume", **body: Any) -> Json:
        return post(api, verb, user_id="ada", feature="image", amount=amount, **body)

    first = use(2, key="job")
    assert (first["consumed"], first["value"], first["remaining"]) == (2, 4, 5)
    assert use(2, key="job") == {**first, "duplicate": True}
    held = use(3, "reserve")
    assert (held["reservation"]["credits"], held["decision"]["remaining"]) == (12, 2)
    refused = use(3)
    assert (refused["reason"], refused["consumed"]) == ("credits_exhausted", 0)
    assert use(3, "reserve")["reservation"] is None
    post(api, "commit", reservation=held["reservation"]["id"], amount=1)
    assert use(4)["remaining"] == 0
    assert use(1)["reason"] == "credits_exhausted"
    balance = api.get("/credits/ada").json()["balance"]
    assert balance == 30 - 4 * (2 + 1 + 4)


def test_a_repeated_use_keeps_its_price_after_a_price_change(
    api, project, customer, images
) -> None:
    cost(customer, images, 5)
    post_credits(api, 100)
    use = {"feature": "image", "key": "job-1"}
    first = consume(api, 3, **use)
    cost(customer, images, 7)
    again = consume(api, 3, **use)
    assert (again["record"], again["consumed"], again["duplicate"]) == (first["record"], 3, True)
    assert balance(api) == 85
    other = {"user_id": "ada", "amount": 2, **use}
    assert post(api, "consume", 409, **other)["code"] == "credits-key-reused"
    deny(customer, images)
    denied = consume(api, 3, **use)
    assert (denied["allowed"], denied["consumed"], denied["duplicate"]) == (False, 3, True)
    assert post(api, "consume", 409, **other)["code"] == "credits-key-reused"


def test_a_use_that_was_free_is_not_charged_when_it_is_repeated(
    api, project, customer, images
) -> None:
    cost(customer, images, 0)
    use = {"feature": "image", "key": "job-1"}
    free = consume(api, 2, **use)
    assert (free["consumed"], free["duplicate"], free["record"] is None) == (2, False, False)
    post_credits(api, 100)
    cost(customer, images, 7)
    again = consume(api, 2, **use)
    assert (again["record"], again["duplicate"], balance(api)) == (free["record"], True, 100)
    assert consume(api, 1, feature="image")["consumed"] == 1
    assert balance(api) == 93
    cost(customer, images, 0)
    assert consume(api, 2, feature="image", key="job-2")["consumed"] == 2
    assert consume(api, 2, feature="image")["record"] is None
    assert balance(api) == 93


def balance(api: ApiClient) -> int:
    return int(api.get("/credits/ada").json()["balance"])
