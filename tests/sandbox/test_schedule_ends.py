"""Subscription schedules end, are released or canceled, and refuse invalid phases."""

import pytest
import stripe

from tests.sandbox.refusals import error_of
from tests.sandbox.schedule_calls import (
    END,
    HOUR,
    first_phase,
    get,
    newest,
    phase_of,
    schedule_of,
    update,
)
from tests.sandbox.shop import DAY, NOW


def test_a_scheduled_downgrade_can_be_undone(shop, plain_subscription, cheap_price):
    schedule = schedule_of(shop, plain_subscription)
    update(shop, schedule, first_phase(plain_subscription), phase_of(cheap_price))
    shop.news()
    released = shop.client.v1.subscription_schedules.release(schedule.id)
    assert shop.news() == ["subscription_schedule.released", "customer.subscription.updated"]
    assert (released.status, released.released_at) == ("released", NOW)
    shop.until(END + HOUR)
    assert newest(shop, plain_subscription).total == 3100
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.subscription_schedules.release(schedule.id)


def test_a_schedule_can_end_its_subscription(shop, plain_subscription):
    schedule = schedule_of(shop, plain_subscription)
    update(shop, schedule, first_phase(plain_subscription), end_behavior="cancel")
    current_subscription = shop.subscription(plain_subscription.id)
    assert (current_subscription.cancel_at, current_subscription.cancellation_details.reason) == (
        END,
        "cancellation_requested",
    )
    shop.news()
    shop.until(END)
    assert shop.news() == ["customer.subscription.deleted", "subscription_schedule.completed"]
    assert get(shop, schedule).completed_at == END
    assert shop.subscription(plain_subscription.id).status == "canceled"


def test_a_released_schedule_no_longer_ends_its_subscription(shop, plain_subscription):
    for keeps in (False, True):
        schedule = schedule_of(shop, plain_subscription)
        update(shop, schedule, first_phase(plain_subscription), end_behavior="cancel")
        shop.client.v1.subscription_schedules.release(schedule.id, {"preserve_cancel_date": keeps})
        assert shop.subscription(plain_subscription.id).cancel_at == (END if keeps else None)


def test_canceled_with_its_subscription_from_either_side(shop, plain_subscription):
    shop.later(10)
    schedule = schedule_of(shop, plain_subscription)
    shop.news()
    canceled = shop.client.v1.subscription_schedules.cancel(schedule.id)
    assert (canceled.status, canceled.canceled_at) == ("canceled", NOW + 10 * DAY)
    assert shop.news()[-2:] == ["customer.subscription.deleted", "subscription_schedule.canceled"]
    assert newest(shop, plain_subscription).total == -2100
    other = shop.subscribe(shop.price())
    schedule = schedule_of(shop, other)
    shop.client.v1.subscriptions.cancel(other.id)
    assert get(shop, schedule).status == "canceled"


def test_only_running_subscriptions_can_be_scheduled(shop, plain_subscription, cheap_price):
    create = shop.client.v1.subscription_schedules.create
    phases = [{"items": [{"price": cheap_price}]}]
    for params, param in (
        ({}, "from_subscription"),
        ({"customer": plain_subscription.customer, "phases": phases}, "customer"),
        ({"from_subscription": plain_subscription.id, "phases": phases}, "phases"),
        ({"from_subscription": "sub_gone"}, "from_subscription"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            create(params)
        assert error_of(raised).param == param
    shop.client.v1.subscriptions.cancel(plain_subscription.id)
    with pytest.raises(stripe.InvalidRequestError):
        create({"from_subscription": plain_subscription.id})


def test_changes_reserved_to_the_schedule_are_refused(shop, plain_subscription, cheap_price):
    schedule = schedule_of(shop, plain_subscription)
    item = plain_subscription["items"].data[0].id
    for params, subject in (
        ({"cancel_at_period_end": True}, "any cancelation behavior"),
        ({"cancel_at": END}, "any cancelation behavior"),
        ({"items": [{"id": item, "price": cheap_price}]}, "`items`"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            shop.client.v1.subscriptions.update(plain_subscription.id, params)
        assert error_of(raised).message == (
            f"The subscription is managed by the subscription schedule `{schedule.id}`, and "
            f"updating {subject} directly is not allowed. Please update the schedule instead."
        )
    with pytest.raises(stripe.InvalidRequestError) as raised:
        schedule_of(shop, plain_subscription)
    assert error_of(raised).message == (
        f"You cannot migrate a subscription that is already attached to a schedule: "
        f"`{schedule.id}`."
    )
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.subscriptions.pause(plain_subscription.id)
    changed = shop.client.v1.subscriptions.update(plain_subscription.id, {"metadata": {"a": "b"}})
    assert changed.metadata.to_dict() == {"a": "b"}


@pytest.mark.parametrize(
    ("phases", "param"),
    [
        ([{"items": [], "start_date": NOW, "end_date": END}], "phases[0][items]"),
        ([{"items": [{"price": "…"}], "end_date": END}], "phases[0][start_date]"),
        ([{"items": [{"price": "…"}], "start_date": NOW + 1, "end_date": END}],
         "phases[0][start_date]"),
        ([{"items": [{"price": "…"}], "start_date": NOW, "end_date": NOW}],
         "phases[0][end_date]"),
        ([{"items": [{"price": "…"}], "start_date": NOW, "end_date": END,
           "duration": {"interval": "month"}}], "phases[0][duration]"),
        ([{"items": [{"price": "…"}], "start_date": NOW}, {"items": [{"price": "…"}]}],
         "phases[0][end_date]"),
        ([{"items": [{"price": "…"}], "start_date": NOW, "end_date": END},
          {"items": [{"price": "…"}], "start_date": END + 1}], "phases[1][start_date]"),
        ([{"items": [{"price": "price_gone"}], "start_date": NOW, "end_date": END}],
         "phases[0][items][0][price]"),
        ([{"items": [{"price": "…"}], "start_date": NOW, "end_date": END, "iterations": 2}],
         "phases[0][iterations]"),
        ([{"items": [{"price": "…"}], "start_date": NOW, "end_date": END, "trial_end": END}],
         "phases[0][trial_end]"),
    ],
)  # fmt: skip
def test_invalid_phases_are_refused(shop, plain_subscription, cheap_price, phases, param):
    schedule = schedule_of(shop, plain_subscription)
    before = get(shop, schedule).to_dict()
    for phase in phases:
        for item in phase["items"]:
            item["price"] = cheap_price if item["price"] == "…" else item["price"]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        update(shop, schedule, *phases)
    assert error_of(raised).param == param
    assert get(shop, schedule).to_dict() == before
