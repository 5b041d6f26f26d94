"""Requests need a key and a known version, and refusals look like Stripe's."""

import json
import re

import pytest
import stripe

from sandbox import accounts
from sandbox.api import ApiRequest, StripeAPI
from sandbox.world import World
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import client_of


def send(world, method="GET", path="/v1/customers", form="", **headers):
    default_headers = {"authorization": "Bearer sk_test_sandbox"}
    return StripeAPI(world).respond(ApiRequest(method, path, form, default_headers | headers))


def error_in(answer):
    return json.loads(answer.body)["error"]


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("", "You did not provide an API key"),
        ("Basic c2tfdGVzdA==", "You did not provide an API key"),
        ("Bearer ", "You did not provide an API key"),
        ("Bearer sk_test_wrongwrongwrong9", "Invalid API Key provided: sk_test_************ong9"),
    ],
)
def test_a_wrong_key_is_a_401_that_does_not_repeat_the_key(world, authorization, message):
    answer = send(world, authorization=authorization)
    assert answer.status == 401
    assert error_in(answer)["type"] == "invalid_request_error"
    assert error_in(answer)["message"].startswith(message)
    assert "wrongwrong" not in answer.body


def test_the_sdk_raises_an_authentication_error(world):
    with pytest.raises(stripe.AuthenticationError):
        client_of(world, "sk_test_other").v1.customers.list()


def test_a_revoked_key_is_refused(world, client):
    accounts.revoke_key(world, "sk_test_sandbox")
    with pytest.raises(stripe.AuthenticationError) as refused:
        client.v1.customers.list()
    assert error_of(refused).code == "api_key_expired"


def test_accounts_see_only_their_own_objects(world, client):
    accounts.open_account(world, account_id="acct_other", secret_key="sk_test_another")
    mine = client.v1.customers.create({"name": "Mine"})
    other = client_of(world, "sk_test_another")
    assert other.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        other.v1.customers.retrieve(mine.id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert client.v1.accounts.retrieve_current().id != other.v1.accounts.retrieve_current().id


def test_another_account_cannot_be_named_in_the_header(world, client):
    accounts.open_account(world, account_id="acct_other", secret_key="sk_test_another")
    with pytest.raises(stripe.PermissionError) as refused:
        client.v1.customers.list(options={"stripe_account": "acct_other"})
    assert error_of(refused).code == "account_invalid"


def test_headers_of_an_answer(world):
    answer = send(world, "POST", form="name=Ada", **{"idempotency-key": "k1"})
    assert re.fullmatch(r"req_[A-Za-z0-9]{14}", answer.headers["Request-Id"])
    assert answer.headers["Idempotency-Key"] == "k1"
    assert answer.headers["Stripe-Version"] == "2026-10-28.endive"
    assert "Idempotent-Replayed" not in answer.headers


def test_only_one_api_version_is_spoken(world):
    answer = send(world, **{"stripe-version": "2024-06-20"})
    assert answer.status == 400
    assert "2024-06-20" in error_in(answer)["message"]


@pytest.mark.parametrize("path", ["/v1/unicorns", "/v1/customers/cus_1/unicorns", "/v1/"])
def test_an_unknown_url(world, path):
    answer = send(world, path=path)
    assert answer.status == 404
    assert error_in(answer)["message"].startswith(f"Unrecognized request URL (GET: {path})")


def test_a_missing_object_in_the_url(world):
    answer = send(world, path="/v1/customers/cus_nobody")
    request_id = answer.headers["Request-Id"]
    assert answer.status == 404
    assert error_in(answer) == {
        "code": "resource_missing",
        "doc_url": "https://docs.stripe.com/error-codes#resource-missing",
        "message": "No such customer: 'cus_nobody'",
        "param": "id",
        "request_log_url": f"https://dashboard.stripe.com/test/logs/{request_id}",
        "type": "invalid_request_error",
    }


def test_a_missing_object_in_a_parameter_is_a_400_that_names_it(client):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.prices.create({"currency": "usd", "unit_amount": 1, "product": "prod_x"})
    assert refused.value.http_status == 400
    assert (refused.value.code, refused.value.param) == ("resource_missing", "product")


@pytest.mark.parametrize(
    "form", ["items%5B0%5D%5Bprice%5D=p", "items[0][price]=p", "items[][price]=p"]
)
def test_brackets_are_read_in_every_spelling(world, form):
    answer = send(world, "POST", "/v1/customers", form)
    assert error_in(answer)["param"] == "items"


@pytest.mark.parametrize("form", ["=x", "[a]=x", "a[b=x", "a[b]c=x", "a=1&a[b]=2", "a=%FF"])
def test_a_body_that_is_not_a_form_is_a_400(world, form):
    assert send(world, "POST", "/v1/customers", form).status == 400


def test_expand_is_read_in_every_spelling(world, client):
    product = client.v1.products.create({"name": "Pro"})
    client.v1.prices.create({"currency": "usd", "unit_amount": 1, "product": product.id})
    for form in ("expand[]=data.product", "expand[0]=data.product", "expand%5B0%5D=data.product"):
        answer = send(world, path="/v1/prices", form=form)
        assert json.loads(answer.body)["data"][0]["product"]["name"] == "Pro"


def test_nothing_is_kept_of_a_request_that_fails_half_way(client, event_types):
    """The product of the price is made before the lookup key turns out to be taken."""
    price = {"currency": "usd", "unit_amount": 1, "lookup_key": "pro"}
    client.v1.prices.create({**price, "product_data": {"name": "First"}})
    before = event_types()
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.prices.create({**price, "product_data": {"name": "Second"}})
    assert [product.name for product in client.v1.products.list()] == ["First"]
    assert event_types() == before


def test_several_worlds_are_independent():
    one, two = World(frozen_at=1), World(frozen_at=1)
    client_of(one).v1.customers.create({"name": "Ada"})
    assert len(client_of(one).v1.customers.list().data) == 1
    assert client_of(two).v1.customers.list().data == []


def test_a_seed_makes_ids_repeatable():
    customer_ids = [
        client_of(World(frozen_at=1, seed=seed)).v1.customers.create().id for seed in (5, 5, 6)
    ]
    assert customer_ids[0] == customer_ids[1] != customer_ids[2]
