"""Stripe's outages answer 503 with Retry-After and leave one object in the end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, connections

from billing.models import Checkout, Product
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import Tenant, order
from tests.billing_fixtures import Clock
from tests.factories.projects import key_of

FAULTS = [
    "rate_limit",
    "lock_timeout",
    "key_in_use",
    "error_before",
    "error_after",
    "timeout_before",
    "timeout_after",
    "reset_before",
    "reset_after",
]
AFTER_ALL_TRIES = 3
"""One request of ours and the SDK's own two retries."""


def create_until_done(ask: Callable[[], Any], clock: Clock) -> Any:
    """Ask again as a patient tenant does, after the time that the answer names."""
    for _ in range(5):
        response = ask()
        if response.status_code == 201:
            return response
        assert (response.status_code, response.json()["code"]) == (503, "stripe-unavailable")
        clock.advance(seconds=int(response.headers["Retry-After"]))
    clock.advance(seconds=61)
    response = ask()
    assert response.status_code == 201, response.content
    return response


@pytest.mark.parametrize("key", ["", "order-1"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_product_is_made_once(tenant: Tenant, clock: Clock, fault: str, key: str) -> None:
    tenant.stripe.fail(fault, path="/v1/products", times=AFTER_ALL_TRIES)
    headers = {"Idempotency-Key": key} if key else {}
    body = create_until_done(
        lambda: tenant.api.post("/products", {"name": "Pro"}, headers=headers), clock
    ).json()
    (at_stripe,) = tenant.at_stripe("product")
    assert (body["stripe_id"], at_stripe["metadata"]["tollgate_id"]) == (
        at_stripe["id"],
        body["id"],
    )
    assert Product.objects.across_projects().count() == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_price_is_made_once(tenant: Tenant, clock: Clock, fault: str) -> None:
    product = tenant.product()
    tenant.stripe.fail(fault, path="/v1/prices", times=AFTER_ALL_TRIES)
    body = {"product": product["id"], "unit_amount": {"amount": 100, "currency": "usd"}}
    response_body = create_until_done(lambda: tenant.api.post("/prices", body), clock).json()
    assert [each["id"] for each in tenant.at_stripe("price")] == [response_body["stripe_id"]]


@pytest.mark.parametrize("kind", ["product", "price"])
def test_an_event_before_the_answer_does_not_end_the_request(
    tenant: Tenant, drain: Callable[[], None], kind: str
) -> None:
    """Made, the answer lost, and the event read before the tenant asks again, without a key."""
    bodies = {
        "product": {"name": "Basic"},
        "price": {
            "product": tenant.product()["id"],
            "unit_amount": {"amount": 100, "currency": "usd"},
        },
    }
    before = len(tenant.at_stripe(kind))
    tenant.stripe.fail("reset_after", path=f"/v1/{kind}s", times=AFTER_ALL_TRIES)
    assert tenant.api.post(f"/{kind}s", bodies[kind]).status_code == 503
    drain()
    response = tenant.api.post(f"/{kind}s", bodies[kind])
    assert response.status_code == 201
    (at_stripe,) = tenant.at_stripe(kind)[before:]
    assert response.json()["stripe_id"] == at_stripe["id"]
    assert tenant.api.post(f"/{kind}s", bodies[kind]).json()["id"] != response.json()["id"]


def test_a_stale_list_does_not_prove_that_an_object_is_missing(
    tenant: Tenant, clock: Clock
) -> None:
    """Made, answered with a 500, and not yet in the list: no second one is made."""
    tenant.stripe.fail("error_after", method="POST", path="/v1/products", times=1)
    tenant.stripe.fail("stale_list", path="/v1/products", times=2)
    body = {"name": "Pro"}
    assert tenant.api.post("/products", body).status_code == 503
    assert tenant.api.post("/products", body).status_code == 503
    clock.advance(seconds=61)
    response_body = create_until_done(lambda: tenant.api.post("/products", body), clock).json()
    assert [each["id"] for each in tenant.at_stripe("product")] == [response_body["stripe_id"]]


def test_an_unfinished_object_is_not_listed(tenant: Tenant) -> None:
    tenant.stripe.fail("timeout_before", path="/v1/products", times=AFTER_ALL_TRIES)
    assert tenant.api.post("/products", {"name": "Pro"}).status_code == 503
    row = Product.objects.across_projects().get()
    assert tenant.api.get("/products").json()["data"] == []
    assert tenant.api.get(f"/products/{row.pk}").status_code == 404


def test_reading_needs_no_stripe(tenant: Tenant) -> None:
    opened = tenant.open(tenant.price())
    tenant.stripe.fail("timeout_before", times=1000)
    for path in ("/products", "/prices", "/plans", "/payments", f"/checkout/{opened['id']}"):
        assert tenant.api.get(path).status_code == 200
    away = tenant.api.post(f"/checkout/{opened['id']}/sync")
    assert (away.status_code, away.json()["code"]) == (503, "stripe-unavailable")


def test_a_key_that_stripe_refuses_is_reported_to_operators(tenant: Tenant, settings: Any) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_secret_key="sk_test_wrong")
    refused = tenant.api.post("/products", {"name": "Pro"})
    assert (refused.status_code, refused.json()["code"]) == (409, "stripe-key-refused")
    assert "sk_test" not in refused.content.decode()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_waits_for_stripe(
    tenant: Tenant, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole main job; each request to Stripe looks whether a transaction is open."""
    transport, waiting = tenant.stripe.transport, list[str]()
    send = transport.request

    def watched(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if connection.in_atomic_block:
            waiting.append(f"{method} {url}")
        return send(method, url, *args, **kwargs)

    monkeypatch.setattr(transport, "request", watched)
    tenant.feature(project, "sso")
    product = tenant.product(features=[{"feature": "sso"}])
    tenant.sell(tenant.price(product))
    item = tenant.sell(tenant.price(interval=None))
    tenant.api.delete(f"/subscriptions/alice/{product['id']}", query={"when": "now"})
    tenant.api.post(f"/payments/{item['payment']}/refunds")
    tenant.api.patch(f"/products/{product['id']}", {"name": "New"})
    assert waiting == []
    assert len(tenant.at_stripe("refund")) == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_open_one_page(tenant: Tenant, project: Project) -> None:
    """Ten requests at once, no idempotency key: one row, one session, one customer at Stripe."""
    price = tenant.price()
    key = key_of(project)

    def click(_: int) -> tuple[int, str]:
        try:
            response = ApiClient(key).post("/checkout", order(price))
            return response.status_code, response.json().get("id", response.json().get("code"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(click, range(10)))
    assert {status for status, _ in answers} <= {201, 503}
    opened = {id for status, id in answers if status == 201}
    assert len(opened) >= 1
    assert len(tenant.at_stripe("customer")) == 1
    assert len(tenant.at_stripe("checkout.session")) == len(opened)
    assert Checkout.objects.for_project(project).count() == len(opened)


@pytest.mark.parametrize("member", ["id", "client_secret", "amount", "metadata"])
def test_a_payment_whose_answer_is_malformed_is_made_once(tenant: Tenant, member: str) -> None:
    tenant.stripe.fail(
        "malformed_after", path="/v1/payment_intents*", without=[member], times=AFTER_ALL_TRIES
    )
    body = {"amount": {"amount": 500, "currency": "usd"}, "user_id": "alice"}
    headers = {"Idempotency-Key": "pay-1"}
    refused = tenant.api.post("/payments", body, headers=headers)
    assert (refused.status_code, refused.json().get("code")) == (503, "stripe-unavailable")
    tenant.stripe.world.faults.clear()
    response = tenant.api.post("/payments", body, headers=headers)
    assert response.status_code == 201, response.content
    (intent,) = tenant.at_stripe("payment_intent")
    assert response.json()["client_secret"] == intent["client_secret"]
