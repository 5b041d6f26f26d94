"""Events and webhook endpoints are shown as Stripe's API shows them."""

import pytest
import stripe

from sandbox.resources import webhook_endpoints
from tests.sandbox.shop import NOW

URL = "https://example.com/hook"


def test_an_event_freezes_the_object(client):
    ada = client.v1.customers.create({"name": "Ada"})
    client.v1.customers.update(ada.id, {"name": "Ada L."})
    updated, created = client.v1.events.list().data
    assert created.type == "customer.created"
    assert created.data.object.name == "Ada"
    assert "previous_attributes" not in created.data
    assert updated.data.object.name == "Ada L."
    assert updated.data.previous_attributes.to_dict() == {"name": "Ada"}
    assert updated.api_version == "2026-10-28.endive"
    assert isinstance(updated.data.object, stripe.Customer)


def test_previous_attributes_go_into_hashes_and_keep_arrays_whole(client):
    ada = client.v1.customers.create(
        {"preferred_locales": ["en", "de"], "metadata": {"a": "1", "b": "2"}}
    )
    client.v1.customers.update(
        ada.id,
        {
            "preferred_locales": ["en"],
            "metadata": {"a": "", "c": "3"},
            "invoice_settings": {"footer": "Thanks"},
        },
    )
    event = client.v1.events.list({"type": "customer.updated"}).data[0]
    assert event.data.previous_attributes.to_dict() == {
        "invoice_settings": {"footer": None},
        "metadata": {"a": "1", "c": None},
        "preferred_locales": ["en", "de"],
    }


def test_events_of_the_sandbox_itself_have_no_request(world, client):
    with world.transaction() as tx:
        tx.emit("customer.created", {"id": "cus_x", "object": "customer"})
    assert client.v1.events.list().data[0].request.to_dict() == {
        "id": None,
        "idempotency_key": None,
    }


@pytest.mark.parametrize(
    ("params", "expected_types"),
    [
        ({"type": "customer.*"}, ["customer.updated", "customer.created"]),
        ({"type": "product.created"}, ["product.created"]),
        ({"types": ["product.created", "customer.created"]},
         ["product.created", "customer.created"]),
        ({"created": {"gte": NOW + 60}}, ["product.created"]),
    ],
)  # fmt: skip
def test_events_are_filtered(world, client, params, expected_types):
    ada = client.v1.customers.create({"name": "Ada"})
    client.v1.customers.update(ada.id, {"name": "Eve"})
    world.move_clock(NOW + 60)
    client.v1.products.create({"name": "Pro"})
    assert [event.type for event in client.v1.events.list(params)] == expected_types


def test_at_most_twenty_types(client):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.events.list({"types": ["customer.created"] * 21})
    assert refused.value.param == "types"


def test_events_are_kept_for_thirty_days(world, client):
    client.v1.customers.create()
    (event,) = client.v1.events.list().data
    world.move_clock(NOW + 30 * 86400)
    assert client.v1.events.retrieve(event.id).id == event.id
    world.move_clock(NOW + 30 * 86400 + 1)
    assert client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.events.retrieve(event.id)
    assert gone.value.code == "resource_missing"


def test_delivery_success_filters_undelivered_events(world, client, sink):
    client.v1.customers.create({"name": "arrives"})
    client.v1.customers.create({"name": "does not"})
    sink.answers = [200, 500]
    world.deliver(sink)
    missing = client.v1.events.list({"delivery_success": False}).data
    assert [event.data.object.name for event in missing] == ["does not"]
    assert missing[0].pending_webhooks == 1
    arrived = client.v1.events.list({"delivery_success": True}).data
    assert [event.pending_webhooks for event in arrived] == [0]


def test_a_secret_is_shown_once(client):
    endpoint = client.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"]})
    assert endpoint.secret.startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id)
    assert "secret" not in client.v1.webhook_endpoints.list().data[0]
    assert "secret" not in client.v1.webhook_endpoints.update(endpoint.id, {"description": "x"})


@pytest.mark.parametrize(
    "params",
    [
        {"enabled_events": ["*", "customer.created"]},
        {"enabled_events": ["customer.frobnicated"]},
        {"enabled_events": ["*"], "url": "example"},
        {"enabled_events": ["*"], "api_version": "2030-01-01"},
    ],
)
def test_invalid_endpoints_are_refused(client, params):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.webhook_endpoints.create({"url": URL, **params})


def test_registering_is_idempotent_and_moves_a_named_endpoint(world, client):
    """A stack that starts on another port takes its endpoint, and what waits for it, along."""
    for url in (URL, URL, "http://127.0.0.1:9/hook"):
        with world.transaction() as tx:
            webhook_endpoints.register_endpoint(tx, url=url, secret="whsec_known", name="stack")
        client.v1.customers.create()
    (endpoint,) = client.v1.webhook_endpoints.list().data
    assert (endpoint.url, endpoint.enabled_events) == ("http://127.0.0.1:9/hook", ["*"])
    with world.transaction() as tx:
        assert webhook_endpoints.list_live_secrets(tx, endpoint.id) == ["whsec_known"]
    urls = [attempt.url for attempt in world.deliver(lambda url, body, headers: 200)]
    assert urls == ["http://127.0.0.1:9/hook"] * 3


def test_registering_several(world, client):
    for url in (URL, URL, f"{URL}/2"):
        with world.transaction() as tx:
            webhook_endpoints.register_endpoint(tx, url=url, secret="whsec_known")
    assert [each.url for each in client.v1.webhook_endpoints.list()] == [f"{URL}/2", URL]
