"""Meters count events and adjustments, and metered prices are invoiced."""

import pytest
import stripe

from tests.sandbox.meter_calls import HOUR, total
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW


def refusal(call, *args):
    with pytest.raises(stripe.InvalidRequestError) as raised:
        call(*args)
    error = error_of(raised)
    return raised.value.http_status, error.param, error.message


def test_a_meter_is_made_changed_stopped_and_started(shop, event_types):
    meters = shop.client.v1.billing.meters
    meter = meters.create(
        {
            "display_name": "Calls",
            "event_name": "calls",
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "who"},
            "value_settings": {"event_payload_key": "n"},
        }
    )
    assert meter.to_dict() == {
        "id": meter.id,
        "object": "billing.meter",
        "created": NOW,
        "customer_mapping": {"event_payload_key": "who", "type": "by_id"},
        "default_aggregation": {"formula": "sum"},
        "display_name": "Calls",
        "event_name": "calls",
        "event_time_window": None,
        "livemode": False,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": NOW,
        "value_settings": {"event_payload_key": "n"},
    }
    status, param, message = refusal(shop.meter, "calls")
    assert (status, param) == (400, "event_name")
    assert "already exists" in message
    assert meters.update(meter.id, {"display_name": "API calls"}).display_name == "API calls"
    other = shop.meter("other")
    stopped = meters.deactivate(meter.id)
    assert (stopped.status, stopped.status_transitions.deactivated_at) == ("inactive", NOW)
    assert [each.id for each in meters.list({"status": "active"})] == [other]
    assert [each.id for each in meters.list()] == [other, meter.id]
    recurring = {"usage_type": "metered", "meter": meter.id}
    assert refusal(lambda: shop.price(recurring=recurring))[1] == "recurring[meter]"
    again = shop.meter("calls")
    assert refusal(meters.reactivate, meter.id)[1] == "event_name"
    meters.deactivate(again)
    assert meters.reactivate(meter.id).status == "active"
    assert meters.retrieve(meter.id).status == "active"
    shop.price(recurring=recurring)
    assert "attached to active prices" in refusal(meters.deactivate, meter.id)[2]
    assert [type for type in event_types() if type.startswith("billing.meter.")] == [
        "billing.meter.created",
        "billing.meter.updated",
        "billing.meter.created",
        "billing.meter.deactivated",
        "billing.meter.created",
        "billing.meter.deactivated",
        "billing.meter.reactivated",
    ]


def test_a_metered_price_names_its_meter_and_no_other_price_does(shop):
    meter = shop.meter()
    for recurring in (
        {"usage_type": "metered"},
        {"usage_type": "metered", "meter": "mtr_test_no"},
        {"meter": meter},
    ):
        sent = {"recurring": recurring}
        assert refusal(lambda sent=sent: shop.price(**sent))[:2] == (400, "recurring[meter]")


def test_a_meter_event_counts_a_minute_after_it_was_sent(shop):
    meter, customer, other = shop.meter(), shop.customer(), shop.customer()
    meter_event = shop.use(customer, 7, "one", timestamp=NOW - 60)
    assert meter_event.to_dict() == {
        "object": "billing.meter_event",
        "created": NOW,
        "event_name": "calls",
        "identifier": "one",
        "livemode": False,
        "payload": {"stripe_customer_id": customer, "value": "7"},
        "timestamp": NOW - 60,
    }
    shop.use(customer, "2.5", "two")
    shop.use(other, 100, "three")
    shop.use("cus_nobody", 100, "four")
    everything = {"start": NOW - DAY, "end": NOW + DAY}
    assert total(shop, meter, customer, **everything) == [(NOW - DAY, 0)]
    shop.later(seconds=60)
    assert total(shop, meter, customer, **everything) == [(NOW - DAY, 9.5)]
    assert total(shop, meter, other, **everything) == [(NOW - DAY, 100)]
    hours = {"start": NOW - 2 * HOUR, "end": NOW + HOUR, "value_grouping_window": "hour"}
    assert NOW % HOUR == 0
    assert total(shop, meter, customer, **hours) == [(NOW, 2.5), (NOW - HOUR, 7)]
    assert total(shop, meter, customer, **hours, limit=1) == [(NOW, 2.5), (NOW - HOUR, 7)]


def test_each_formula_aggregates_the_events(shop):
    counted, latest = shop.meter("counted", "count"), shop.meter("latest", "last")
    customer = shop.customer()
    for number, (value, at) in enumerate([(5, NOW - 5), (9, NOW - 90), (2, NOW - 60)]):
        for name in ("counted", "latest"):
            shop.use(customer, value, f"{name}{number}", event_name=name, timestamp=at)
    shop.client.v1.billing.meter_events.create(
        {"event_name": "counted", "payload": {"stripe_customer_id": customer}}
    )
    shop.later(seconds=60)
    assert [value for _, value in total(shop, counted, customer)] == [4]
    assert [value for _, value in total(shop, latest, customer)] == [5]


def test_an_identifier_is_known_for_a_day(shop):
    """Longer than that the same event counts again: who tells Stripe must not rely on it."""
    meter, customer = shop.meter(), shop.customer()
    shop.use(customer, 1, "same")
    shop.later(seconds=DAY - 1)
    assert refusal(shop.use, customer, 1, "same") == (
        400,
        None,
        "An event already exists with identifier same.",
    )
    shop.later(seconds=1)
    shop.use(customer, 1, "same")
    shop.later(seconds=60)
    assert [value for _, value in total(shop, meter, customer)] == [2]


def test_invalid_meter_events_are_refused(shop):
    meter, customer = shop.meter(), shop.customer()
    for sent, param in (
        ({"event_name": "nothing"}, "event_name"),
        ({"timestamp": NOW - 35 * DAY - 1}, "timestamp"),
        ({"timestamp": NOW + 301}, "timestamp"),
        ({"payload": {"value": "1"}}, "payload[stripe_customer_id]"),
        ({"payload": {"stripe_customer_id": customer}}, "payload[value]"),
        ({"payload": {"stripe_customer_id": customer, "value": "many"}}, "payload[value]"),
        ({"payload": {"stripe_customer_id": customer, "value": "NaN"}}, "payload[value]"),
        ({"payload": {"stripe_customer_id": customer, "value": "9" * 16}}, "payload[value]"),
        ({"identifier": "x" * 101}, "identifier"),
    ):
        fields = {"identifier": "one", **sent}
        assert refusal(lambda fields=fields: shop.use(customer, 1, **fields))[:2] == (400, param)
    for timestamp in (NOW - 35 * DAY, NOW + 300):
        shop.use(customer, 1, timestamp=timestamp)
    shop.client.v1.billing.meters.deactivate(meter)
    assert refusal(shop.use, customer, 1) == (
        400,
        "event_name",
        'No active meter found for event name "calls".',
    )
    shop.later(seconds=360)
    assert [value for _, value in total(shop, meter, customer)] == [2]


def test_an_event_is_taken_back_within_a_day(shop):
    meter, customer = shop.meter(), shop.customer()

    def cancel(identifier):
        return shop.client.v1.billing.meter_event_adjustments.create(
            {"event_name": "calls", "type": "cancel", "cancel": {"identifier": identifier}}
        )

    for name in ("early", "late"):
        shop.use(customer, 3, name, timestamp=NOW - 10 * DAY)
    shop.later(seconds=DAY - 1)
    answer = cancel("early")
    assert (answer.status, answer.cancel.identifier) == ("pending", "early")
    assert cancel("early").status == "pending"
    shop.later(seconds=1)
    for identifier in ("late", "unknown"):
        assert refusal(cancel, identifier)[:2] == (400, "cancel[identifier]")
    assert [value for _, value in total(shop, meter, customer)] == [3]


def test_invalid_summary_times_are_refused(shop):
    meter, customer = shop.meter(), shop.customer()
    for times, param in (
        ({"start": NOW + 1}, "start_time"),
        ({"end": NOW + 59}, "end_time"),
        ({"start": NOW, "end": NOW}, "start_time"),
        ({"start": NOW + 60, "value_grouping_window": "hour"}, "start_time"),
        ({"start": NOW, "value_grouping_window": "day"}, "start_time"),
    ):
        error = refusal(lambda times=times: total(shop, meter, customer, **times))
        assert error[:2] == (400, param)
    assert refusal(lambda: total(shop, meter, "cus_no"))[:2] == (400, "customer")
