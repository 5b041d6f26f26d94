"""Each simulated fault raises its SDK error, with or without the effect."""

from pathlib import Path

import pytest
import stripe

from sandbox.faults import FaultKind
from tests.sandbox.refusals import error_of, headers_of
from tests.sandbox.shop import NOW, client_of

KEY: stripe.RequestOptions = {"idempotency_key": "k"}


def names(client):
    return [customer.name for customer in client.v1.customers.list()]


def plan(world, kind, **options):
    world.faults.add(kind, method="POST", path="/v1/customers", **options)


def test_a_rate_limit_fault_raises_its_error(world, client):
    plan(world, "rate_limit")
    with pytest.raises(stripe.RateLimitError) as refused:
        client.v1.customers.create({"name": "Ada"}, KEY)
    assert (refused.value.http_status, error_of(refused).code) == (429, "rate_limit")
    assert "Stripe-Should-Retry" not in headers_of(refused)
    assert client.v1.customers.create({"name": "Ada"}, KEY).name == "Ada"


def test_lock_timeout_is_retried_by_the_sdk_because_the_header_says_so(world):
    plan(world, "lock_timeout", times=2)
    client = client_of(world, retries=2)
    client.v1.customers.create({"name": "Ada"})
    assert names(client) == ["Ada"]


def test_lock_timeout_without_retries(world, client):
    plan(world, "lock_timeout")
    with pytest.raises(stripe.RateLimitError) as refused:
        client.v1.customers.create()
    assert error_of(refused).code == "lock_timeout"
    assert headers_of(refused)["Stripe-Should-Retry"] == "true"


def test_a_key_in_use_fault_raises_its_error(world, client):
    plan(world, "key_in_use")
    with pytest.raises(stripe.APIError) as refused:
        client.v1.customers.create({"name": "Ada"}, KEY)
    assert refused.value.http_status == 409
    assert error_of(refused).code == "idempotency_key_in_use"
    assert names(client) == []


def test_a_500_before_the_effect_leaves_nothing(world, client, event_types):
    plan(world, "error_before")
    with pytest.raises(stripe.APIError):
        client.v1.customers.create({"name": "Ada"}, KEY)
    assert names(client) == []
    assert event_types() == []


def test_500_after_the_effect_is_kept_under_the_key(world, client, event_types):
    plan(world, "error_after")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            client.v1.customers.create({"name": "Ada"}, KEY)
        assert failed.value.http_status == 500
        assert error_of(failed).type == "api_error"
    assert names(client) == ["Ada"]
    assert event_types() == ["customer.created"]


@pytest.mark.parametrize("kind", ["timeout_before", "reset_before"])
def test_a_connection_lost_before_the_effect(world, client, kind):
    plan(world, kind)
    with pytest.raises(stripe.APIConnectionError) as lost:
        client.v1.customers.create({"name": "Ada"}, KEY)
    assert lost.value.should_retry
    assert names(client) == []
    first = client.v1.customers.create({"name": "Ada"}, KEY)
    assert "idempotent-replayed" not in first.last_response.headers


@pytest.mark.parametrize("kind", ["timeout_after", "reset_after"])
def test_a_connection_lost_after_the_effect(world, client, kind):
    plan(world, kind)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create({"name": "Ada"}, KEY)
    assert names(client) == ["Ada"]
    again = client.v1.customers.create({"name": "Ada"}, KEY)
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert names(client) == ["Ada"]


def test_a_lost_refusal_raises_a_connection_error(world, client):
    plan(world, "reset_after", times=2)
    for params in ({"nmae": "Ada"}, {"name": "x" * 257}):
        with pytest.raises(stripe.APIConnectionError):
            client.v1.customers.create(params)
    assert names(client) == []


def test_the_sdks_own_retry_meets_the_kept_answer(world):
    """The SDK repeats a lost request with the same automatic key: one customer."""
    plan(world, "timeout_after", times=2)
    client = client_of(world, retries=2)
    client.v1.customers.create({"name": "Ada"})
    assert names(client) == ["Ada"]


def test_a_slow_request_takes_its_time(world, client):
    plan(world, "slow", seconds=0.01)
    assert client.v1.customers.create({"name": "Ada"}).name == "Ada"


def test_another_answer_before_the_request_reaches_stripe(world, client):
    plan(world, "malformed_before", status=404, body="<h1>Not found</h1>")
    with pytest.raises(stripe.APIError) as failed:
        client.v1.customers.create({"name": "Ada"}, KEY)
    assert failed.value.http_status == 404
    assert names(client) == []
    assert client.v1.customers.create({"name": "Ada"}, KEY).name == "Ada"


def test_a_spoilt_answer_is_not_what_is_kept_under_the_key(world, client):
    plan(world, "malformed_after", without=["id"], changes={"invoice_settings.footer": 7})
    spoilt = client.v1.customers.create({"name": "Ada"}, KEY)
    assert "id" not in spoilt
    assert spoilt.invoice_settings.footer == 7
    again = client.v1.customers.create({"name": "Ada"}, KEY)
    assert again.id.startswith("cus_")
    assert names(client) == ["Ada"]


def test_one_object_of_a_list_is_spoilt_or_the_list_itself(world, client):
    for name in ("A", "B"):
        client.v1.customers.create({"name": name})
    world.faults.add("malformed_after", method="GET", changes={"name": "?"}, place=1)
    assert names(client) == ["B", "?"]
    world.faults.add("malformed_after", method="GET", changes={"data": []}, place=None)
    assert names(client) == []
    assert names(client) == ["B", "A"]


def test_a_missing_permission(world, client):
    plan(world, "no_permission")
    with pytest.raises(stripe.PermissionError, match="rak_") as refused:
        client.v1.customers.create({"name": "Ada"}, KEY)
    assert refused.value.http_status == 403
    assert names(client) == []


def test_a_stale_list_does_not_know_what_is_new(world, client):
    client.v1.customers.create({"name": "Old"})
    world.move_clock(NOW + 120)
    fresh = client.v1.customers.create({"name": "New"})
    world.faults.add("stale_list", method="GET", path="/v1/customers", seconds=60)
    assert names(client) == ["Old"]
    assert client.v1.customers.retrieve(fresh.id).name == "New"
    assert names(client) == ["New", "Old"]


def test_patterns_skip_and_times(world, client):
    world.faults.add("rate_limit", method="GET", path="/v1/customers/*", skip=1, times=2)
    ada = client.v1.customers.create({"name": "Ada"}).id
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(client.v1.customers.retrieve(ada).name)
        except stripe.RateLimitError:
            outcomes.append("429")
    assert outcomes == ["Ada", "429", "429", "Ada"]
    assert world.faults.describe() == []


def test_an_unauthorised_request_uses_no_fault_up(world, client):
    plan(world, "rate_limit")
    with pytest.raises(stripe.AuthenticationError):
        client_of(world, "sk_test_wrong").v1.customers.create()
    assert len(world.faults.describe()) == 1


def test_an_unknown_kind_is_a_mistake(world):
    with pytest.raises(ValueError, match="explode"):
        world.faults.add("explode")


def test_every_kind_has_a_test_above():
    text = Path(__file__).read_text()
    assert [kind for kind in FaultKind if f'"{kind}"' not in text] == []
