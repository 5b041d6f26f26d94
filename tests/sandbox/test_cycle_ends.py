"""Cancellations, trials and pauses end or change a subscription at the right second."""

import pytest

from tests.sandbox.cycle_events import (
    HOUR,
    PAID,
    RENEWED,
    RENEWS,
    changes,
    decline,
    latest_invoice,
    timed,
)
from tests.sandbox.shop import DAY, NOW


def test_a_cancellation_can_be_undone(shop):
    subscription = shop.subscribe()
    shop.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    back = shop.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert (back.cancel_at, back.canceled_at, back.cancellation_details.reason) == (None,) * 3
    shop.later(40)
    assert shop.subscription(subscription.id).status == "active"


def test_a_subscription_is_canceled_at_a_given_time(shop):
    subscription = shop.subscribe()
    moment = NOW + 10 * DAY + 5
    changed = shop.client.v1.subscriptions.update(subscription.id, {"cancel_at": moment})
    assert (changed.cancel_at, changed.cancel_at_period_end) == (moment, False)
    shop.news()
    shop.later(40)
    assert timed(shop.events()) == [(moment, "customer.subscription.deleted")]


def test_a_subscription_is_canceled_immediately(shop):
    subscription = shop.subscribe()
    shop.later(3)
    ended = shop.client.v1.subscriptions.cancel(
        subscription.id, {"cancellation_details": {"feedback": "unused"}}
    )
    assert shop.news() == ["customer.subscription.deleted"]
    assert (ended.status, ended.ended_at) == ("canceled", NOW + 3 * DAY)
    assert ended.cancellation_details.reason == "cancellation_requested"
    assert ended.cancellation_details.feedback == "unused"
    shop.later(100)
    assert shop.news() == []


def test_canceling_a_past_due_subscription_stops_retries(shop):
    subscription = shop.subscribe()
    decline(shop, subscription)
    shop.until(RENEWS + HOUR)
    shop.news()
    shop.client.v1.subscriptions.cancel(subscription.id)
    assert shop.news() == ["invoice.updated", "customer.subscription.deleted"]
    shop.later(100)
    assert shop.news() == []
    assert latest_invoice(shop, subscription).status == "open"


def test_a_trial_ends_with_a_card(shop):
    subscription = shop.subscribe(trial_period_days=14)
    end = NOW + 14 * DAY
    shop.until(end - 3 * DAY - 1)
    assert shop.news() == []
    shop.until(end - 3 * DAY)
    assert timed(shop.events()) == [(end - 3 * DAY, "customer.subscription.trial_will_end")]
    shop.until(end - 1)
    assert shop.news() == []
    shop.until(end)
    events = shop.events()
    assert timed(events) == [(end, type) for type in RENEWED]
    assert changes(events, "customer.subscription.updated")["status"] == "trialing"
    assert shop.subscription(subscription.id).status == "active"
    shop.until(end + HOUR)
    assert shop.news() == PAID
    item = shop.subscription(subscription.id)["items"].data[0]
    last_of_february = end + 30 * DAY
    assert (item.current_period_start, item.current_period_end) == (end, last_of_february)


@pytest.mark.parametrize(
    ("behavior", "events", "status"),
    [
        ("create_invoice", RENEWED, "active"),
        ("cancel", ["customer.subscription.deleted"], "canceled"),
        ("pause", ["customer.subscription.updated", "customer.subscription.paused"], "paused"),
    ],
)
def test_a_trial_ends_without_a_card(shop, behavior, events, status):
    session = shop.session(
        shop.price(),
        payment_method_collection="if_required",
        subscription_data={
            "trial_period_days": 7,
            "trial_settings": {"end_behavior": {"missing_payment_method": behavior}},
        },
    )
    shop.pay(session, None)
    shop.news()
    shop.later(7)
    assert shop.news() == ["customer.subscription.trial_will_end", *events]
    subscription = shop.client.v1.subscriptions.list({"status": "all"}).data[0]
    assert subscription.status == status
    shop.later(seconds=HOUR)
    if behavior == "create_invoice":
        assert shop.news() == [
            "invoice.finalized",
            "payment_intent.created",
            "invoice.updated",
            "invoice.payment_failed",
            "customer.updated",
            "customer.subscription.updated",
        ]
        assert shop.subscription(subscription.id).status == "past_due"
    else:
        assert shop.news() == []


def test_a_paused_subscription_resumes(shop):
    customer = shop.customer()
    subscription = shop.client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": shop.price()}],
            "trial_period_days": 7,
            "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}},
        }
    )
    shop.later(8)
    paused = shop.subscription(subscription.id)
    assert paused.status_details.paused.subscription.type == "trial_end_without_payment_method"
    method = shop.client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    shop.news()
    resumed = shop.client.v1.subscriptions.resume(subscription.id)
    assert resumed.status == "active"
    assert resumed["items"].data[0].current_period_start == NOW + 8 * DAY
    assert "customer.subscription.resumed" in shop.news()
    assert latest_invoice(shop, subscription).status == "paid"


def test_a_short_trial_is_announced_at_once(shop):
    session = shop.session(shop.price(), subscription_data={"trial_period_days": 2})
    shop.pay(session)
    assert "customer.subscription.trial_will_end" in shop.news()
    shop.later(2)
    assert "customer.subscription.trial_will_end" not in shop.news()


def test_a_trial_canceled_at_its_end(shop):
    subscription = shop.subscribe(trial_period_days=14)
    changed = shop.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert changed.cancel_at == NOW + 14 * DAY
    shop.news()
    shop.later(20)
    assert shop.news() == ["customer.subscription.trial_will_end", "customer.subscription.deleted"]
    assert len(shop.client.v1.invoices.list().data) == 1


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")],
)
def test_paused_collection_keeps_the_subscription_active(shop, behavior, status):
    subscription = shop.subscribe()
    shop.client.v1.subscriptions.update(
        subscription.id,
        {"pause_collection": {"behavior": behavior, "resumes_at": RENEWS + 5 * DAY}},
    )
    shop.until(RENEWS + HOUR)
    assert latest_invoice(shop, subscription).status == status
    assert shop.subscription(subscription.id).status == "active"
    shop.news()
    shop.until(RENEWS + 5 * DAY)
    assert shop.news() == ["customer.subscription.updated"]
    assert shop.subscription(subscription.id).pause_collection is None
    shop.later(40)
    assert latest_invoice(shop, subscription).status == "paid"


def test_a_deleted_customers_subscriptions_end(shop):
    subscription = shop.subscribe()
    shop.client.v1.customers.delete(subscription.customer)
    assert shop.news() == ["customer.subscription.deleted", "customer.deleted"]
    shop.later(100)
    assert shop.news() == []


def test_monthly_and_yearly_items_renew_on_their_own(shop):
    monthly, yearly = shop.price(1000), shop.price(9000, "year")
    session = shop.session(
        "", line_items=[{"price": price, "quantity": 1} for price in (monthly, yearly)]
    )
    shop.pay(session)
    shop.later(364)
    totals = [invoice.total for invoice in shop.client.v1.invoices.list({"limit": 100}).data]
    assert totals == [1000] * 11 + [10000]
    shop.later(2)
    assert shop.client.v1.invoices.list().data[0].total == 10000


def test_a_card_taken_off_is_no_longer_charged(shop):
    subscription = shop.subscribe()
    shop.client.v1.payment_methods.detach(subscription.default_payment_method)
    shop.until(RENEWS + HOUR)
    assert shop.subscription(subscription.id).status == "past_due"
    method = shop.client.v1.payment_methods.attach(
        "pm_card_visa", {"customer": subscription.customer}
    )
    shop.client.v1.customers.update(
        subscription.customer, {"invoice_settings": {"default_payment_method": method.id}}
    )
    shop.until(RENEWS + HOUR + 3 * DAY)
    assert shop.subscription(subscription.id).status == "active"
