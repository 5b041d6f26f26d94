"""Thin events are delivered without content, which is read over the API."""

import json

import pytest
import stripe

from sandbox import thin_events
from sandbox.resources import webhook_endpoints
from tests.sandbox.shop import DAY, NOW

SECRET = "whsec_thin_" + "a" * 24


@pytest.fixture
def thin_deliveries(world):
    """What arrives at a destination for thin events, as plain data."""
    with world.transaction() as tx:
        webhook_endpoints.register_endpoint(
            tx, url="https://x.example/thin", secret=SECRET, thin=True
        )
    seen = []

    def sink(url, body, headers):
        stripe.WebhookSignature.verify_header(body.decode(), headers["Stripe-Signature"], SECRET)
        seen.append(json.loads(body))
        return 200

    def deliver():
        seen.clear()
        world.deliver(sink)
        return list(seen)

    return deliver


def test_the_sdk_reads_what_travels_and_fetches_the_rest(shop, thin_deliveries):
    shop.metered()
    shop.use("cus_nobody", 5, "first")
    shop.use("cus_nobody", 7, "second")
    thin_deliveries()
    shop.until(NOW + 3600)
    (thin,) = thin_deliveries()
    assert set(thin) == {"id", "object", "created", "livemode", "related_object", "type"}
    assert (thin["object"], thin["type"]) == (
        "v2.core.event",
        "v1.billing.meter.error_report_triggered",
    )
    assert thin["related_object"]["type"] == "billing.meter"
    whole = shop.client.v2.core.events.retrieve(thin["id"]).to_dict(for_json=True)
    reason = whole["data"]["reason"]
    (kind,) = reason["error_types"]
    assert (reason["error_count"], kind["code"]) == (2, "meter_event_customer_not_found")
    named = [each["request"]["identifier"] for each in kind["sample_errors"]]
    assert named == ["first", "second"]
    assert shop.client.v1.events.list({"type": "v1.*"}).data == []
    shop.until(NOW + DAY)
    assert thin_deliveries() == []


def test_events_of_v1_are_thin_there_and_whole_elsewhere(shop, thin_deliveries):
    product = shop.client.v1.products.create({"name": "Pro"})
    (thin,) = thin_deliveries()
    assert (thin["type"], thin["related_object"]["id"]) == ("v1.product.created", product.id)
    assert "data" not in thin
    assert thin["reason"]["type"] == "request"


def test_stripe_keeps_them_for_thirty_days(world, shop):
    with world.transaction() as tx:
        event = thin_events.build_thin_event(tx, "v1.thing.done", {"id": "x_1", "object": "thing"})
    assert shop.client.v2.core.events.retrieve(event["id"]).type == "v1.thing.done"
    shop.later(31)
    for id in (event["id"], "evt_none"):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            shop.client.v2.core.events.retrieve(id)
        assert (raised.value.http_status, raised.value.code) == (404, "not_found")
