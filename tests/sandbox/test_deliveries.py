"""Webhooks are signed and delivered in order, shuffled, twice, lost or retried."""

import random

import pytest
import stripe

from sandbox import deliveries, webhook_signatures
from sandbox.deliveries import RETRY_DELAYS, DeliveryMode
from sandbox.resources import webhook_endpoints
from tests.sandbox.shop import NOW
from tests.sandbox.sink import Sink


def customers(client, count):
    return [client.v1.customers.create({"name": str(number)}).id for number in range(count)]


def subjects(sink):
    return [event.data.object.id for event in sink.events]


def test_webhooks_arrive_in_the_order_of_events(world, client, sink):
    created_customers = customers(client, 5)
    attempts = world.deliver(sink)
    assert subjects(sink) == created_customers
    assert [attempt.succeeded for attempt in attempts] == [True] * 5
    assert world.deliver(sink) == []


def test_the_sdk_verifies_the_signature(world, client, sink):
    customers(client, 1)
    with pytest.raises(stripe.SignatureVerificationError):
        world.deliver(Sink("whsec_wrong"))


def test_an_endpoint_receives_its_enabled_types_only(world, client):
    endpoint = client.v1.webhook_endpoints.create(
        {"url": "https://example.com/p", "enabled_events": ["product.created"]}
    )
    sink = Sink(endpoint.secret)
    client.v1.customers.create()
    client.v1.products.create({"name": "Pro"})
    world.deliver(sink)
    assert sink.types == ["product.created"]


def test_a_seed_repeats_the_order_of_a_shuffle(client, world):
    orders = []
    created_customers = customers_with_endpoint(client)
    for seed in (1, 1, 2):
        seen: list[bytes] = []
        order = deliveries.deliver_due(
            world, answering(500, seen), DeliveryMode(shuffled=True, seed=seed)
        )
        orders.append(seen)
        world.move_clock(world.clock.now() + RETRY_DELAYS[2])
        assert len(order) == len(created_customers)
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def customers_with_endpoint(client):
    client.v1.webhook_endpoints.create({"url": "https://example.com/hook", "enabled_events": ["*"]})
    return customers(client, 8)


def answering(status, seen):
    def sink(url, body, headers):
        seen.append(body)
        return status

    return sink


def test_webhooks_can_be_delivered_twice(world, client, sink):
    created_customers = customers(client, 3)
    world.deliver(sink, duplicates=1.0)
    assert subjects(sink) == [id for id in created_customers for _ in range(2)]
    assert len(set(sink.ids)) == 3
    assert world.deliver(sink) == []


def test_webhooks_can_be_shuffled_and_delivered_twice(world, client, sink):
    created_customers = customers(client, 20)
    world.deliver(sink, order="shuffled", seed=3, duplicates=0.5)
    assert set(subjects(sink)) == set(created_customers)
    assert 20 < len(sink.events) < 40
    assert list(dict.fromkeys(subjects(sink))) != created_customers


def test_webhooks_can_be_lost(world, client, sink):
    created_customers = customers(client, 40)
    world.deliver(sink, drop=0.5, seed=9)
    assert 0 < len(sink.events) < 40
    assert world.deliver(sink) == []
    lost = client.v1.events.list({"delivery_success": False, "limit": 100}).data
    assert {event.data.object.id for event in lost} == set(created_customers) - set(subjects(sink))


def test_random_choices_continue_across_rounds(world, client, sink):
    """One event per round: with dice thrown anew each time, all would share one fate."""
    dice = random.Random(1)
    for _ in range(40):
        customers(client, 1)
        world.deliver(sink, drop=0.5, seed=dice)
    assert 10 < len(sink.events) < 30


def test_a_delivery_round_can_be_interrupted(world, client, sink):
    customers(client, 3)
    deliveries.deliver_due(
        world, sink, DeliveryMode(), should_continue=lambda: len(sink.events) < 2
    )
    assert len(sink.events) == 2
    assert len(world.deliver(sink)) == 1


def test_webhooks_can_be_withheld(world, client, sink):
    customers(client, 3)
    assert deliveries.deliver_due(world, sink, DeliveryMode(hold=True)) == []
    assert len(world.deliver(sink)) == 3


def test_webhooks_can_be_delivered_one_by_one(world, client, sink):
    created_customers = customers(client, 3)
    assert len(world.deliver(sink, limit=1)) == 1
    assert subjects(sink) == created_customers[:1]
    chosen = deliveries.list_due(world)[-1]
    attempt = deliveries.attempt(world, chosen, sink)
    assert attempt is not None
    assert attempt.succeeded
    assert subjects(sink) == [created_customers[0], created_customers[2]]


@pytest.mark.parametrize("status", [500, 302, 404])
def test_a_failure_is_retried_with_a_fresh_signature(world, client, sink, status, monkeypatch):
    customers(client, 1)
    sink.answers = [status]
    (failed,) = world.deliver(sink)
    assert (failed.succeeded, failed.status) == (False, status)
    assert world.deliver(sink) == []
    world.move_clock(NOW + RETRY_DELAYS[0] - 1)
    assert world.deliver(sink) == []
    world.move_clock(NOW + RETRY_DELAYS[0])
    (retried,) = world.deliver(sink)
    assert retried.succeeded
    assert sink.ids == [failed.event] * 2


def test_an_unreachable_endpoint_is_retried(world, client, sink):
    customers(client, 1)

    def refused(url, body, headers):
        raise ConnectionRefusedError("nobody there")

    (attempt,) = world.deliver(refused)
    assert attempt.status is None
    world.move_clock(NOW + RETRY_DELAYS[0])
    assert len(world.deliver(sink)) == 1


def test_retries_end_after_three_days(world, client, sink):
    customers(client, 1)
    sink.answers = [500] * 50
    rounds = 0
    while world.deliver(sink):
        rounds += 1
        world.move_clock(world.clock.now() + 86400)
    assert rounds == len(RETRY_DELAYS) + 1
    assert 2.5 * 86400 < sum(RETRY_DELAYS) <= 3 * 86400
    assert len(client.v1.events.list({"delivery_success": False}).data) == 1


def test_both_secrets_sign_during_a_roll(world, client, sink):
    (endpoint,) = client.v1.webhook_endpoints.list().data
    with world.transaction() as tx:
        fresh = Sink(webhook_endpoints.roll_secret(tx, endpoint.id, overlap=3600))
    customers(client, 1)
    world.deliver(sink, duplicates=0)
    with world.transaction() as tx:
        deliveries.redeliver(tx, sink.ids[0])
    world.deliver(fresh)
    assert fresh.ids == sink.ids

    world.move_clock(NOW + 3600)
    customers(client, 1)
    with pytest.raises(stripe.SignatureVerificationError):
        world.deliver(sink)


def test_a_roll_can_end_the_old_secret_at_once(world, client, sink):
    (endpoint,) = client.v1.webhook_endpoints.list().data
    with world.transaction() as tx:
        fresh = webhook_endpoints.roll_secret(tx, endpoint.id, overlap=0)
        assert webhook_endpoints.list_live_secrets(tx, endpoint.id) == [fresh]


def test_a_deleted_endpoint_receives_nothing(world, client, sink):
    (endpoint,) = client.v1.webhook_endpoints.list().data
    customers(client, 1)
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    customers(client, 1)
    assert world.deliver(sink) == []
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": False})
    customers(client, 1)
    assert len(world.deliver(sink)) == 1
    client.v1.webhook_endpoints.delete(endpoint.id)
    customers(client, 1)
    assert world.deliver(sink) == []


def test_redelivery_of_an_event_that_arrived(world, client, sink):
    customers(client, 1)
    world.deliver(sink)
    with world.transaction() as tx:
        assert deliveries.redeliver(tx, sink.ids[0]) == 1
    world.deliver(sink)
    assert sink.ids[0] == sink.ids[1]
    assert client.v1.events.retrieve(sink.ids[0]).pending_webhooks == 0


def test_the_receiver_may_call_the_api(world, client, sink):
    """Nobody holds the world's lock while a webhook travels."""
    ada = client.v1.customers.create({"name": "Ada"}).id

    def curious(url, body, headers):
        sink(url, body, headers)
        if len(sink.events) == 1:
            client.v1.customers.update(ada, {"name": "Eve"})
        return 200

    world.deliver(curious)
    world.deliver(curious)
    assert sink.types == ["customer.created", "customer.updated"]


def test_an_endpoint_has_its_own_api_version(world, client):
    endpoint = client.v1.webhook_endpoints.create(
        {"url": "https://e.co/1", "enabled_events": ["*"], "api_version": "2024-06-20"}
    )
    sink = Sink(endpoint.secret)
    customers(client, 1)
    world.deliver(sink)
    assert sink.events[0].api_version == "2024-06-20"
    assert client.v1.events.list().data[0].api_version == "2026-10-28.endive"


def test_the_header_carries_every_secret_and_a_v0_that_means_nothing():
    header = webhook_signatures.build_headers(b"{}", ["whsec_a", "whsec_b"])["Stripe-Signature"]
    assert [part.split("=")[0] for part in header.split(",")] == ["t", "v1", "v1", "v0"]
