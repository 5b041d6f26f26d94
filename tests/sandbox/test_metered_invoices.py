"""Invoices of metered prices bill the usage of the period that ended."""

from tests.sandbox.meter_calls import HOUR, total
from tests.sandbox.shop import DAY, NOW

RENEWS = 1_802_678_400
"""A month after ``NOW``."""


def invoices(shop, subscription):
    return list(shop.client.v1.invoices.list({"subscription": subscription.id}))


def line_values(line):
    return (line.quantity, line.amount, line.period.start, line.period.end)


def test_a_renewal_bills_what_was_used_in_the_period_that_ended(shop):
    metered, flat = shop.metered(5), shop.price(1000)
    lines = [{"price": flat, "quantity": 1}, {"price": metered}]
    session = shop.session(flat, line_items=lines)
    assert session.amount_total == 1000
    shop.pay(session)
    new_session = shop.client.v1.checkout.sessions.retrieve(session.id)
    subscription = shop.subscription(new_session.subscription)
    customer = subscription.customer
    shop.use(customer, 100, "before", timestamp=NOW - 1)
    shop.use(customer, 40, "first", timestamp=NOW)
    shop.later(10)
    shop.use(customer, 2, "second")
    shop.later(seconds=60)
    preview = shop.client.v1.invoices.create_preview({"subscription": subscription.id})
    assert [line_values(line) for line in preview.lines.data] == [
        (1, 1000, RENEWS, RENEWS + (RENEWS - NOW) - 3 * DAY),
        (42, 210, NOW, RENEWS),
    ]
    shop.until(RENEWS)
    (draft, first) = invoices(shop, subscription)
    assert [line_values(line) for line in first.lines.data][1][:2] == (0, 0)
    assert (draft.status, draft.total) == ("draft", 1210)
    shop.use(customer, 8, "late", timestamp=RENEWS - 1)
    shop.use(customer, 500, "next", timestamp=RENEWS)
    shop.later(seconds=HOUR)
    billed = invoices(shop, subscription)[0]
    assert (billed.status, billed.total, billed.amount_paid) == ("paid", 1250, 1250)
    usage = billed.lines.data[1]
    assert line_values(usage) == (50, 250, NOW, RENEWS)
    assert usage.description == "50 × Pro (at $0.05 / month)"
    shop.use(customer, 1, "too late", timestamp=RENEWS - 1)
    shop.later(40)
    assert invoices(shop, subscription)[0].lines.data[1].quantity == 500


def test_usage_is_billed_by_tiers_and_packages(shop):
    tiers = [
        {"up_to": 100, "unit_amount": 0},
        {"up_to": "inf", "unit_amount_decimal": "0.5", "flat_amount": 10},
    ]
    meter = shop.meter()
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter}
    product = shop.client.v1.products.create({"name": "Pro"}).id
    graduated = shop.client.v1.prices.create(
        {
            "product": product,
            "currency": "usd",
            "recurring": recurring,
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": tiers,
        }
    )
    packages = shop.price(
        200, recurring=recurring, transform_quantity={"divide_by": 50, "round": "up"}
    )
    session = shop.session(packages, line_items=[{"price": graduated.id}, {"price": packages}])
    assert shop.pay(session).status == "complete"
    new_session = shop.client.v1.checkout.sessions.retrieve(session.id)
    shop.use(new_session.customer, 151)
    shop.until(RENEWS)
    draft = invoices(shop, shop.subscription(new_session.subscription))[0]
    assert [line.amount for line in draft.lines.data] == [36, 800]


def test_an_ended_subscription_bills_its_usage_on_request(shop):
    price = shop.metered()
    lines = [{"price": price}]

    def subscribe():
        session = shop.session(price, line_items=lines)
        shop.pay(session)
        return shop.subscription(shop.client.v1.checkout.sessions.retrieve(session.id).subscription)

    planned, at_once, dropped, restarted = (subscribe() for _ in range(4))
    subscriptions = shop.client.v1.subscriptions
    subscriptions.update(planned.id, {"cancel_at": "min_period_end"})
    for subscription in (planned, at_once, dropped, restarted):
        shop.use(subscription.customer, 20)
    shop.later(1)
    subscriptions.cancel(at_once.id, {"invoice_now": True})
    subscriptions.cancel(dropped.id)
    subscriptions.update(restarted.id, {"billing_cycle_anchor": {"type": "now"}})
    shop.until(RENEWS)
    assert shop.subscription(planned.id).status == "canceled"
    for subscription, totals in (
        (planned, [100, 0]),
        (at_once, [100, 0]),
        (dropped, [0]),
        (restarted, [100, 0]),
    ):
        assert [each.total for each in invoices(shop, subscription)] == totals, subscription.id


def test_usage_in_a_trial_is_not_billed(shop):
    price = shop.metered()
    session = shop.session(
        price, line_items=[{"price": price}], subscription_data={"trial_period_days": 10}
    )
    shop.pay(session)
    new_session = shop.client.v1.checkout.sessions.retrieve(session.id)
    shop.use(new_session.customer, 20)
    shop.later(11)
    shop.use(new_session.customer, 3)
    shop.later(40)
    invoice_list = invoices(shop, shop.subscription(new_session.subscription))
    assert [each.total for each in invoice_list] == [15, 0, 0]


def test_a_test_clock_counts_by_its_own_time(shop):
    clock = shop.client.v1.test_helpers.test_clocks.create({"frozen_time": NOW - 100 * DAY})
    meter = shop.meter()
    customer = shop.client.v1.customers.create({"test_clock": clock.id}).id
    meter_event = shop.use(customer, 4)
    assert (meter_event.created, meter_event.timestamp) == (NOW - 100 * DAY, NOW - 100 * DAY)
    span = {"start": NOW - 101 * DAY, "end": NOW - 99 * DAY}
    assert [value for _, value in total(shop, meter, customer, **span)] == [0]
    shop.client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": NOW - 100 * DAY + 60})
    assert [value for _, value in total(shop, meter, customer, **span)] == [4]
