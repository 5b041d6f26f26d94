"""Subscription schedules carry out changes at the start of each phase."""

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


def test_a_schedule_is_created_from_a_subscription(shop, plain_subscription):
    schedule = schedule_of(shop, plain_subscription)
    assert shop.news() == ["subscription_schedule.created", "customer.subscription.updated"]
    assert (schedule.status, schedule.end_behavior) == ("active", "release")
    assert schedule.current_phase.to_dict() == {"start_date": NOW, "end_date": END}
    (phase,) = schedule.phases
    assert (phase.start_date, phase.end_date, phase.items[0].quantity) == (NOW, END, 1)
    current_subscription = shop.subscription(plain_subscription.id, "schedule")
    assert current_subscription.schedule.id == schedule.id
    listed = shop.client.v1.subscription_schedules.list({"customer": plain_subscription.customer})
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


def test_a_schedule_copies_the_settings_of_its_subscription(shop):
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


def test_a_phase_removes_settings_that_it_leaves_out(shop, cheap_price):
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


def test_a_scheduled_downgrade_happens_at_the_renewal(shop, plain_subscription, cheap_price):
    schedule = schedule_of(shop, plain_subscription)
    update(
        shop,
        schedule,
        first_phase(plain_subscription),
        phase_of(cheap_price, metadata={"plan": "cheap"}),
    )
    assert shop.news()[2:] == ["subscription_schedule.updated"]
    new_invoice = shop.client.v1.invoices.create_preview({"subscription": plain_subscription.id})
    assert [line.amount for line in new_invoice.lines.data] == [1000]
    shop.until(END - 1)
    assert shop.subscription(plain_subscription.id)["items"].data[0].price.unit_amount == 3100
    shop.until(END)
    assert shop.news() == [
        "subscription_schedule.updated",
        "invoice.created",
        "customer.subscription.updated",
    ]
    changed = shop.subscription(plain_subscription.id)
    (item,) = changed["items"].data
    assert (item.price.unit_amount, item.id) == (1000, plain_subscription["items"].data[0].id)
    assert (item.current_period_start, item.current_period_end) == (END, END + 28 * DAY)
    assert changed.metadata.to_dict() == {"plan": "cheap"}
    invoice = newest(shop, plain_subscription)
    assert [line.amount for line in invoice.lines.data] == [1000]
    assert (invoice.billing_reason, invoice.status) == ("subscription_cycle", "draft")
    shop.until(END + HOUR)
    assert newest(shop, plain_subscription).status == "paid"
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
        plain_subscription.id,
        None,
    )
    assert shop.subscription(plain_subscription.id).schedule is None


def test_from_monthly_to_yearly_at_the_renewal(shop, plain_subscription):
    yearly = shop.price(20_000, "year")
    schedule = schedule_of(shop, plain_subscription)
    update(shop, schedule, first_phase(plain_subscription), phase_of(yearly))
    shop.until(END + HOUR)
    (item,) = shop.subscription(plain_subscription.id)["items"].data
    assert (item.current_period_start, item.current_period_end) == (END, END + 365 * DAY)
    assert [line.amount for line in newest(shop, plain_subscription).lines.data] == [20_000]
    assert len(shop.client.v1.invoices.list({"subscription": plain_subscription.id}).data) == 2


def test_a_phase_in_the_middle_of_a_period_is_prorated(shop, plain_subscription, cheap_price):
    schedule = schedule_of(shop, plain_subscription)
    update(
        shop,
        schedule,
        first_phase(plain_subscription, end_date=NOW + 10 * DAY),
        phase_of(cheap_price, end_date=NOW + 20 * DAY, proration_behavior="always_invoice"),
        phase_of(cheap_price, duration={"interval": "week"},
             items=[{"price": cheap_price, "quantity": 3}, {"price": shop.price(500)}]),
    )  # fmt: skip
    shop.until(NOW + 10 * DAY)
    assert newest(shop, plain_subscription).total == 677 - 2100
    shop.until(NOW + 20 * DAY)
    items = shop.subscription(plain_subscription.id)["items"].data
    assert [(item.price.unit_amount, item.quantity) for item in items] == [(1000, 3), (500, 1)]
    assert shop.client.v1.invoice_items.list({"pending": True}).data == []
    shop.until(NOW + 27 * DAY)
    assert get(shop, schedule).status == "released"


def test_the_current_phase_changes_at_once(shop, plain_subscription):
    shop.later(10)
    schedule = schedule_of(shop, plain_subscription)
    seats = first_phase(plain_subscription)
    seats["items"][0]["quantity"] = 2
    update(shop, schedule, seats, proration_behavior="always_invoice")
    assert newest(shop, plain_subscription).total == 2100
    assert shop.subscription(plain_subscription.id)["items"].data[0].quantity == 2


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


def test_a_phase_brings_its_discount(shop, plain_subscription, cheap_price):
    coupon = shop.client.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    schedule = schedule_of(shop, plain_subscription)
    update(
        shop,
        schedule,
        first_phase(plain_subscription),
        phase_of(cheap_price, discounts=[{"coupon": coupon.id}]),
    )
    shop.until(END + HOUR)
    assert newest(shop, plain_subscription).total == 500
