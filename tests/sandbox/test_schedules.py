"""Subscription schedules carry out changes at the start of each phase."""

import pytest
import stripe

from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW

END = NOW + 31 * DAY
HOUR = 3600


@pytest.fixture
def subscription(shop):
    """Of $31.00 a month: a dollar a day."""
    return shop.subscribe(shop.price(3100))


@pytest.fixture
def cheap_price(shop):
    return shop.price(1000)


def schedule_of(shop, subscription):
    shop.news()
    return shop.client.v1.subscription_schedules.create({"from_subscription": subscription.id})


def first_phase(subscription, **changes):
    item = subscription["items"].data[0]
    items = [{"price": item.price.id, "quantity": item.quantity}]
    return {"start_date": NOW, "end_date": END, "items": items, **changes}


def phase_of(price, **phase):
    return {"items": [{"price": price, "quantity": 1}], "proration_behavior": "none", **phase}


def update(shop, schedule, *phases, **params):
    return shop.client.v1.subscription_schedules.update(
        schedule.id, {"phases": list(phases), **params}
    )


def newest(shop, subscription):
    return shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]


def get(shop, schedule):
    return shop.client.v1.subscription_schedules.retrieve(schedule.id)


def test_made_from_a_subscription(shop, subscription):
    schedule = schedule_of(shop, subscription)
    assert shop.news() == ["subscription_schedule.created", "customer.subscription.updated"]
    assert (schedule.status, schedule.end_behavior) == ("active", "release")
    assert schedule.current_phase.to_dict() == {"start_date": NOW, "end_date": END}
    (phase,) = schedule.phases
    assert (phase.start_date, phase.end_date, phase.items[0].quantity) == (NOW, END, 1)
    held = shop.subscription(subscription.id, "schedule")
    assert held.schedule.id == schedule.id
    listed = shop.client.v1.subscription_schedules.list({"customer": subscription.customer})
    assert [each.id for each in listed] == [schedule.id]


def furnished_subscription(shop):
    """A subscription with all that can be set on it and on its item."""
    v1 = shop.client.v1
    customer = shop.customer("pm_card_visa")
    rate = v1.tax_rates.create({"display_name": "VAT", "percentage": 20.0, "inclusive": False}).id
    coupon = v1.coupons.create({"percent_off": 10, "duration": "forever"}).id
    method = v1.payment_methods.attach("pm_card_mastercard", {"customer": customer}).id
    own = {"discounts": [{"coupon": coupon}], "metadata": {"a": "b"}}
    return v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": shop.price(3100), "tax_rates": [rate], **own}],
            "default_tax_rates": [rate],
            "default_payment_method": method,
            "description": "Agreed",
            "invoice_settings": {"footer": "Thanks"},
            **own,
        }
    )


def test_made_from_a_subscription_it_says_what_that_has(shop):
    held = furnished_subscription(shop)
    schedule = schedule_of(shop, held)
    (phase,) = schedule.phases
    (item,) = phase["items"]
    (own,) = held["items"].data
    assert [each.discount for each in phase.discounts] == held.discounts
    assert [each.id for each in phase.default_tax_rates] == [held.default_tax_rates[0].id]
    assert ([each.discount for each in item.discounts], item.metadata.to_dict()) == (
        own.discounts,
        {"a": "b"},
    )
    assert [each.id for each in item.tax_rates] == [own.tax_rates[0].id]
    defaults = schedule.default_settings
    assert (defaults.default_payment_method, defaults.description) == (
        held.default_payment_method,
        "Agreed",
    )
    assert defaults.invoice_settings.footer == "Thanks"


def test_a_phase_that_leaves_something_out_takes_it_away(shop, cheap_price):
    """But for metadata, which is merged, and what the schedule's default settings say."""
    held = furnished_subscription(shop)
    schedule = schedule_of(shop, held)
    update(shop, schedule, first_phase(held), phase_of(cheap_price))
    now = shop.subscription(held.id)
    assert (now.discounts, now.default_tax_rates) == ([], [])
    (item,) = now["items"].data
    assert (item.discounts, item.tax_rates, item.metadata.to_dict()) == ([], [], {"a": "b"})
    shop.until(END)
    after = shop.subscription(held.id)
    assert (after.metadata.to_dict(), after.description) == ({"a": "b"}, "Agreed")
    assert after.default_payment_method == held.default_payment_method
    assert after["items"].data[0].metadata.to_dict() == {}


def test_a_downgrade_at_the_renewal(shop, subscription, cheap_price):
    schedule = schedule_of(shop, subscription)
    update(
        shop, schedule, first_phase(subscription), phase_of(cheap_price, metadata={"plan": "cheap"})
    )
    assert shop.news()[2:] == ["subscription_schedule.updated"]
    shown = shop.client.v1.invoices.create_preview({"subscription": subscription.id})
    assert [line.amount for line in shown.lines.data] == [1000]
    shop.until(END - 1)
    assert shop.subscription(subscription.id)["items"].data[0].price.unit_amount == 3100
    shop.until(END)
    assert shop.news() == [
        "subscription_schedule.updated",
        "invoice.created",
        "customer.subscription.updated",
    ]
    changed = shop.subscription(subscription.id)
    (item,) = changed["items"].data
    assert (item.price.unit_amount, item.id) == (1000, subscription["items"].data[0].id)
    assert (item.current_period_start, item.current_period_end) == (END, END + 28 * DAY)
    assert changed.metadata.to_dict() == {"plan": "cheap"}
    invoice = newest(shop, subscription)
    assert [line.amount for line in invoice.lines.data] == [1000]
    assert (invoice.billing_reason, invoice.status) == ("subscription_cycle", "draft")
    shop.until(END + HOUR)
    assert newest(shop, subscription).status == "paid"
    assert get(shop, schedule).current_phase.end_date == END + 28 * DAY
    shop.news()
    shop.until(END + 28 * DAY)
    assert shop.news() == [
        "subscription_schedule.released",
        "customer.subscription.updated",
        "invoice.created",
        "customer.subscription.updated",
    ]
    done = get(shop, schedule)
    assert (done.status, done.released_subscription, done.subscription) == (
        "released",
        subscription.id,
        None,
    )
    assert shop.subscription(subscription.id).schedule is None


def test_from_monthly_to_yearly_at_the_renewal(shop, subscription):
    yearly = shop.price(20_000, "year")
    schedule = schedule_of(shop, subscription)
    update(shop, schedule, first_phase(subscription), phase_of(yearly))
    shop.until(END + HOUR)
    (item,) = shop.subscription(subscription.id)["items"].data
    assert (item.current_period_start, item.current_period_end) == (END, END + 365 * DAY)
    assert [line.amount for line in newest(shop, subscription).lines.data] == [20_000]
    assert len(shop.client.v1.invoices.list({"subscription": subscription.id}).data) == 2


def test_a_phase_in_the_middle_of_a_period_is_prorated(shop, subscription, cheap_price):
    schedule = schedule_of(shop, subscription)
    update(
        shop,
        schedule,
        first_phase(subscription, end_date=NOW + 10 * DAY),
        phase_of(cheap_price, end_date=NOW + 20 * DAY, proration_behavior="always_invoice"),
        phase_of(cheap_price, duration={"interval": "week"},
             items=[{"price": cheap_price, "quantity": 3}, {"price": shop.price(500)}]),
    )  # fmt: skip
    shop.until(NOW + 10 * DAY)
    assert newest(shop, subscription).total == 677 - 2100
    shop.until(NOW + 20 * DAY)
    items = shop.subscription(subscription.id)["items"].data
    assert [(item.price.unit_amount, item.quantity) for item in items] == [(1000, 3), (500, 1)]
    assert shop.client.v1.invoice_items.list({"pending": True}).data == []
    shop.until(NOW + 27 * DAY)
    assert get(shop, schedule).status == "released"


def test_the_current_phase_changes_at_once(shop, subscription):
    shop.later(10)
    schedule = schedule_of(shop, subscription)
    seats = first_phase(subscription)
    seats["items"][0]["quantity"] = 2
    update(shop, schedule, seats, proration_behavior="always_invoice")
    assert newest(shop, subscription).total == 2100
    assert shop.subscription(subscription.id)["items"].data[0].quantity == 2


def test_an_undone_downgrade(shop, subscription, cheap_price):
    schedule = schedule_of(shop, subscription)
    update(shop, schedule, first_phase(subscription), phase_of(cheap_price))
    shop.news()
    released = shop.client.v1.subscription_schedules.release(schedule.id)
    assert shop.news() == ["subscription_schedule.released", "customer.subscription.updated"]
    assert (released.status, released.released_at) == ("released", NOW)
    shop.until(END + HOUR)
    assert newest(shop, subscription).total == 3100
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.subscription_schedules.release(schedule.id)


def test_ending_with_the_last_phase(shop, subscription):
    schedule = schedule_of(shop, subscription)
    update(shop, schedule, first_phase(subscription), end_behavior="cancel")
    held = shop.subscription(subscription.id)
    assert (held.cancel_at, held.cancellation_details.reason) == (END, "cancellation_requested")
    shop.news()
    shop.until(END)
    assert shop.news() == ["customer.subscription.deleted", "subscription_schedule.completed"]
    assert get(shop, schedule).completed_at == END
    assert shop.subscription(subscription.id).status == "canceled"


def test_released_it_no_longer_ends_unless_wanted(shop, subscription):
    for keeps in (False, True):
        schedule = schedule_of(shop, subscription)
        update(shop, schedule, first_phase(subscription), end_behavior="cancel")
        shop.client.v1.subscription_schedules.release(schedule.id, {"preserve_cancel_date": keeps})
        assert shop.subscription(subscription.id).cancel_at == (END if keeps else None)


def test_canceled_with_its_subscription_from_either_side(shop, subscription):
    shop.later(10)
    schedule = schedule_of(shop, subscription)
    shop.news()
    canceled = shop.client.v1.subscription_schedules.cancel(schedule.id)
    assert (canceled.status, canceled.canceled_at) == ("canceled", NOW + 10 * DAY)
    assert shop.news()[-2:] == ["customer.subscription.deleted", "subscription_schedule.canceled"]
    assert newest(shop, subscription).total == -2100
    other = shop.subscribe(shop.price())
    schedule = schedule_of(shop, other)
    shop.client.v1.subscriptions.cancel(other.id)
    assert get(shop, schedule).status == "canceled"


def test_a_trial_ends_into_the_next_phase(shop, cheap_price):
    trialing = shop.subscribe(shop.price(3100), trial_period_days=7)
    schedule = schedule_of(shop, trialing)
    phase = {
        "start_date": NOW,
        "end_date": NOW + 7 * DAY,
        "trial_end": NOW + 7 * DAY,
        "items": [{"price": trialing["items"].data[0].price.id}],
    }
    update(shop, schedule, phase, phase_of(cheap_price))
    shop.until(NOW + 7 * DAY + HOUR)
    assert shop.subscription(trialing.id).status == "active"
    assert newest(shop, trialing).amount_paid == 1000


def test_a_phase_brings_its_discount(shop, subscription, cheap_price):
    coupon = shop.client.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    schedule = schedule_of(shop, subscription)
    update(
        shop,
        schedule,
        first_phase(subscription),
        phase_of(cheap_price, discounts=[{"coupon": coupon.id}]),
    )
    shop.until(END + HOUR)
    assert newest(shop, subscription).total == 500


def test_only_what_runs_is_scheduled(shop, subscription, cheap_price):
    create = shop.client.v1.subscription_schedules.create
    phases = [{"items": [{"price": cheap_price}]}]
    for params, param in (
        ({}, "from_subscription"),
        ({"customer": subscription.customer, "phases": phases}, "customer"),
        ({"from_subscription": subscription.id, "phases": phases}, "phases"),
        ({"from_subscription": "sub_gone"}, "from_subscription"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            create(params)
        assert error_of(raised).param == param
    shop.client.v1.subscriptions.cancel(subscription.id)
    with pytest.raises(stripe.InvalidRequestError):
        create({"from_subscription": subscription.id})


def test_what_the_schedule_decides_is_refused_elsewhere(shop, subscription, cheap_price):
    schedule = schedule_of(shop, subscription)
    item = subscription["items"].data[0].id
    for params, subject in (
        ({"cancel_at_period_end": True}, "any cancelation behavior"),
        ({"cancel_at": END}, "any cancelation behavior"),
        ({"items": [{"id": item, "price": cheap_price}]}, "`items`"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            shop.client.v1.subscriptions.update(subscription.id, params)
        assert error_of(raised).message == (
            f"The subscription is managed by the subscription schedule `{schedule.id}`, and "
            f"updating {subject} directly is not allowed. Please update the schedule instead."
        )
    with pytest.raises(stripe.InvalidRequestError) as raised:
        schedule_of(shop, subscription)
    assert error_of(raised).message == (
        f"You cannot migrate a subscription that is already attached to a schedule: "
        f"`{schedule.id}`."
    )
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.subscriptions.pause(subscription.id)
    changed = shop.client.v1.subscriptions.update(subscription.id, {"metadata": {"a": "b"}})
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
def test_phases_that_cannot_be(shop, subscription, cheap_price, phases, param):
    schedule = schedule_of(shop, subscription)
    before = get(shop, schedule).to_dict()
    for phase in phases:
        for item in phase["items"]:
            item["price"] = cheap_price if item["price"] == "…" else item["price"]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        update(shop, schedule, *phases)
    assert error_of(raised).param == param
    assert get(shop, schedule).to_dict() == before
