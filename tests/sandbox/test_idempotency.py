"""An idempotency key executes once and replays its answer for a day."""

import threading

import pytest
import stripe

from sandbox import accounts
from tests.sandbox.refusals import error_of, headers_of
from tests.sandbox.shop import NOW, client_of

KEY: stripe.RequestOptions = {"idempotency_key": "order-1"}


def test_the_first_answer_is_replayed(client, event_types):
    first = client.v1.customers.create({"name": "Ada"}, KEY)
    again = client.v1.customers.create({"name": "Ada"}, KEY)
    assert again.to_dict() == first.to_dict()
    assert len(client.v1.customers.list().data) == 1
    assert event_types() == ["customer.created"]
    assert "idempotent-replayed" not in first.last_response.headers
    assert again.last_response.headers["idempotent-replayed"] == "true"
    original = first.last_response.headers["request-id"]
    assert again.last_response.headers["original-request"] == original
    assert again.last_response.headers["request-id"] != original


def test_events_carry_the_key(client):
    customer = client.v1.customers.create({"name": "Ada"}, KEY)
    (event,) = client.v1.events.list().data
    assert event.request.idempotency_key == "order-1"
    assert event.request.id == customer.last_response.headers["request-id"]


def test_other_parameters_under_the_key_are_refused(client):
    client.v1.customers.create({"name": "Ada"}, KEY)
    with pytest.raises(stripe.IdempotencyError) as refused:
        client.v1.customers.create({"name": "Bob"}, KEY)
    assert refused.value.http_status == 400
    assert error_of(refused).type == "idempotency_error"
    assert [customer.name for customer in client.v1.customers.list()] == ["Ada"]


def test_another_url_under_the_key_is_refused(client):
    client.v1.customers.create({"name": "Ada"}, KEY)
    with pytest.raises(stripe.IdempotencyError, match="/v1/products"):
        client.v1.products.create({"name": "Ada"}, KEY)


def test_a_request_that_fails_validation_keeps_nothing(client):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"nmae": "Ada"}, KEY)
    assert client.v1.customers.create({"name": "Ada"}, KEY).name == "Ada"


def test_a_refusal_by_the_resource_is_kept(client):
    price = {"currency": "usd", "unit_amount": 100, "product": "prod_later"}
    with pytest.raises(stripe.InvalidRequestError) as first:
        client.v1.prices.create(price, KEY)
    client.v1.products.create({"id": "prod_later", "name": "Late"})
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.prices.create(price, KEY)
    assert again.value.http_body == first.value.http_body
    assert headers_of(again)["Idempotent-Replayed"] == "true"


def test_a_declined_payment_is_kept_and_tried_once(client, event_types):
    intent = {
        "amount": 1000,
        "currency": "usd",
        "payment_method": "pm_card_visa_chargeDeclined",
        "confirm": True,
        "return_url": "https://example.com",
    }
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            client.v1.payment_intents.create(intent, KEY)
    assert event_types().count("charge.failed") == 1


def test_a_500_is_kept_and_asks_not_to_be_retried(world):
    client = client_of(world, retries=2)
    world.faults.add("error_before", method="POST", path="/v1/customers")
    with pytest.raises(stripe.APIError) as first:
        client.v1.customers.create({"name": "Ada"}, KEY)
    assert headers_of(first)["Stripe-Should-Retry"] == "false"
    with pytest.raises(stripe.APIError) as again:
        client.v1.customers.create({"name": "Ada"}, KEY)
    assert again.value.http_status == 500
    assert headers_of(again)["Idempotent-Replayed"] == "true"
    assert client.v1.customers.list().data == []


def test_a_key_lives_for_24_hours_of_sandbox_time(world, client):
    first = client.v1.customers.create({"name": "Ada"}, KEY)
    world.move_clock(NOW + 24 * 3600 - 1)
    assert client.v1.customers.create({"name": "Ada"}, KEY).id == first.id
    world.move_clock(NOW + 24 * 3600)
    assert client.v1.customers.create({"name": "Ada"}, KEY).id != first.id


def test_a_key_has_at_most_255_characters(client):
    client.v1.customers.create({}, {"idempotency_key": "k" * 255})
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        client.v1.customers.create({}, {"idempotency_key": "k" * 256})


def test_a_parallel_request_is_told_that_the_key_is_in_use(world, client):
    world.faults.add("slow", method="POST", path="/v1/customers", seconds=0.3)
    created_customers = []
    first = threading.Thread(
        target=lambda: created_customers.append(client.v1.customers.create({"name": "Ada"}, KEY))
    )
    first.start()
    while not world.in_flight:
        pass
    with pytest.raises(stripe.APIError) as refused:
        client_of(world).v1.customers.create({"name": "Ada"}, KEY)
    first.join()
    assert refused.value.http_status == 409
    assert error_of(refused).code == "idempotency_key_in_use"
    assert client.v1.customers.create({"name": "Ada"}, KEY).id == created_customers[0].id


def test_keys_belong_to_an_account(world, client):
    accounts.open_account(world, account_id="acct_other", secret_key="sk_test_another")
    one = client.v1.customers.create({"name": "Ada"}, KEY)
    two = client_of(world, "sk_test_another").v1.customers.create({"name": "Bob"}, KEY)
    assert one.id != two.id
