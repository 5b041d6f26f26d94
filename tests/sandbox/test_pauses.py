"""Paused subscriptions stop billing and resume as Stripe's do."""

import pytest
import stripe

from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW

MONTH = 31 * DAY


@pytest.fixture
def subscription(shop):
    """Of $31.00 a month: a dollar a day, ten of them gone."""
    shown_subscription = shop.subscribe(shop.price(3100))
    shop.later(10)
    return shown_subscription


def pause(shop, subscription, **params):
    shop.news()
    return shop.client.v1.subscriptions.pause(subscription.id, params)


def resume(shop, subscription, **params):
    shop.news()
    return shop.client.v1.subscriptions.resume(subscription.id, params)


def pending(shop):
    return [item.amount for item in shop.client.v1.invoice_items.list({"pending": True}).data]


def newest(shop, subscription):
    return shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]


@pytest.mark.parametrize(
    ("params", "waits", "billed"),
    [
        ({}, [-2100], None),
        ({"type": "subscription", "bill_for": {"unused_time_from": {"type": "none"}}}, [], None),
        (
            {"bill_for": {"unused_time_from": {"type": "item_current_period_start"}}},
            [-3100],
            None,
        ),
        ({"invoicing_behavior": "invoice"}, [], -2100),
    ],
)
def test_a_paused_subscription_is_not_billed(shop, subscription, params, waits, billed):
    paused = pause(shop, subscription, **params)
    news = shop.news()
    assert (paused.status, paused.status_details.paused.transitioned_at) == (
        "paused",
        NOW + 10 * DAY,
    )
    assert paused.status_details.paused.subscription.type == "pause_requested"
    expected = [
        *(["invoiceitem.created"] if waits or billed else []),
        *(["invoice.created"] if billed else []),
        "customer.subscription.updated",
        "customer.subscription.paused",
    ]
    assert news[: len(expected)] == expected
    assert pending(shop) == waits
    assert newest(shop, subscription).total == (billed or 3100)
    shop.later(100)
    assert set(shop.news()) <= {"invoice.finalized"}
    assert shop.subscription(subscription.id).status == "paused"


def test_a_subscription_resumes_with_a_new_cycle(shop, subscription):
    pause(shop, subscription)
    shop.later(50)
    resumed = resume(shop, subscription)
    assert (resumed.status, resumed.status_details) == ("active", None)
    assert resumed.billing_cycle_anchor == NOW + 60 * DAY
    invoice = newest(shop, subscription)
    assert [line.amount for line in invoice.lines.data] == [3100, -2100]
    assert (invoice.status, invoice.amount_paid) == ("paid", 1000)
    news = shop.news()
    assert news[:3] == [
        "invoice.created",
        "customer.subscription.updated",
        "customer.subscription.resumed",
    ]
    assert "invoice.paid" in news


@pytest.mark.parametrize(
    ("behavior", "waits", "total"),
    [("create_prorations", [1329], 3100), ("none", [], 3100), ("always_invoice", [], 1329)],
)
def test_a_subscription_resumes_in_its_old_cycle(shop, subscription, behavior, waits, total):
    pause(shop, subscription, bill_for={"unused_time_from": {"type": "none"}})
    shop.until(NOW + MONTH + 16 * DAY)
    resumed = resume(
        shop,
        subscription,
        billing_cycle_anchor={"type": "unchanged"},
        proration_behavior=behavior,
    )
    item = resumed["items"].data[0]
    assert (item.current_period_start, item.current_period_end) == (
        NOW + MONTH,
        NOW + MONTH + 28 * DAY,
    )
    assert resumed.billing_cycle_anchor == NOW
    assert pending(shop) == waits
    assert newest(shop, subscription).total == total
    shop.until(NOW + MONTH + 28 * DAY + 3600)
    assert newest(shop, subscription).billing_reason == "subscription_cycle"


def test_a_resumption_waits_for_its_payment(shop, subscription):
    customer = subscription.customer
    pause(shop, subscription, bill_for={"unused_time_from": {"type": "none"}})
    bad = shop.client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": customer}
    )
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": bad.id})
    waiting = resume(shop, subscription, payment_behavior="resume_on_payment_success")
    assert (waiting.status, waiting.pending_update) == ("paused", None)
    assert "customer.subscription.resumed" not in shop.news()
    first = waiting.latest_invoice
    assert shop.client.v1.invoices.retrieve(first).status == "open"
    shop.later(1)
    assert shop.client.v1.invoices.retrieve(first).status == "void"
    assert shop.subscription(subscription.id).status == "paused"
    again = resume(shop, subscription, payment_behavior="resume_on_payment_success")
    good = shop.client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    shop.client.v1.invoices.pay(again.latest_invoice, {"payment_method": good.id})
    assert shop.subscription(subscription.id).status == "active"
    assert shop.news()[-3:] == [
        "customer.subscription.updated",
        "invoice_payment.paid",
        "customer.subscription.resumed",
    ]


def test_a_subscription_resumed_without_a_card_is_past_due(shop, subscription):
    pause(shop, subscription)
    shop.client.v1.customers.update(
        subscription.customer, {"invoice_settings": {"default_payment_method": ""}}
    )
    shop.client.v1.payment_methods.detach(subscription.default_payment_method)
    shop.later(5)
    assert resume(shop, subscription).status == "past_due"


def test_a_trial_continues_after_a_pause(shop):
    trialing = shop.subscribe(shop.price(2000), trial_period_days=7)
    shop.later(2)
    assert pause(shop, trialing).status == "paused"
    shop.later(2)
    on = resume(shop, trialing, billing_cycle_anchor={"type": "unchanged"})
    assert (on.status, on.trial_end) == ("trialing", NOW + 7 * DAY)


def test_invalid_pauses_are_refused(shop, subscription):
    with pytest.raises(stripe.InvalidRequestError):
        resume(shop, subscription)
    pause(shop, subscription)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        pause(shop, subscription)
    assert "it is paused" in error_of(raised).message
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.client.v1.subscriptions.pause(subscription.id, {"type": "collection"})
    assert error_of(raised).param == "type"
    classic = shop.subscribe(shop.price(), billing_mode={"type": "classic"})
    with pytest.raises(stripe.InvalidRequestError):
        pause(shop, classic)
    assert shop.subscription(classic.id).status == "active"
