"""Trials, cancellations and unpaid changes are prorated only as far as Stripe does."""

import pytest
import stripe

from sandbox import buyer
from tests.sandbox.proration_calls import PERIOD, change, newest, pending
from tests.sandbox.shop import DAY, NOW


def test_nothing_is_prorated_in_a_trial(shop):
    subscription = shop.subscribe(trial_period_days=14)
    change(shop, subscription, quantity=5, proration_behavior="always_invoice")
    assert shop.news() == ["customer.subscription.updated"]
    shop.later(14, seconds=3600)
    assert newest(shop).total == 5000


def test_a_trial_ended_early_is_billed_at_once(shop):
    subscription = shop.subscribe(trial_period_days=14)
    shop.later(3)
    changed = shop.client.v1.subscriptions.update(subscription.id, {"trial_end": "now"})
    assert (changed.status, changed.trial_end) == ("active", NOW + 3 * DAY)
    assert changed["items"].data[0].current_period_start == NOW + 3 * DAY
    assert (newest(shop).total, newest(shop).status) == (1000, "paid")


def test_a_longer_trial_is_not_billed(shop):
    subscription = shop.subscribe(trial_period_days=14)
    later = NOW + 40 * DAY
    changed = shop.client.v1.subscriptions.update(subscription.id, {"trial_end": later})
    assert (changed.trial_end, changed.billing_cycle_anchor) == (later, later)
    shop.news()
    shop.until(later - 1)
    assert shop.news() == ["customer.subscription.trial_will_end"]
    shop.until(later)
    assert shop.subscription(subscription.id).status == "active"


def test_a_change_whose_payment_fails_is_refused(shop, pro_subscription):
    shop.later(10)
    customer = pro_subscription.customer
    bad = shop.client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": customer}
    )
    shop.client.v1.subscriptions.update(pro_subscription.id, {"default_payment_method": bad.id})
    dear = shop.price(6200)
    with pytest.raises(stripe.CardError):
        change(
            shop,
            pro_subscription,
            price=dear,
            proration_behavior="always_invoice",
            payment_behavior="error_if_incomplete",
        )
    assert shop.news() == []
    assert shop.subscription(pro_subscription.id)["items"].data[0].price.unit_amount == 3100
    changed = change(shop, pro_subscription, price=dear, proration_behavior="always_invoice")
    assert changed.status == "past_due"
    assert newest(shop).next_payment_attempt == NOW + 13 * DAY


def test_canceling_with_a_credit(shop, pro_subscription):
    shop.later(10)
    shop.news()
    shop.client.v1.subscriptions.cancel(pro_subscription.id, {"prorate": True, "invoice_now": True})
    events = shop.news()
    assert events[-1] == "customer.subscription.deleted"
    assert newest(shop).total == -2100
    assert shop.client.v1.customers.retrieve(pro_subscription.customer).balance == -2100


def test_canceling_drops_unbilled_prorations(shop, pro_subscription):
    shop.later(10)
    change(shop, pro_subscription, quantity=2)
    shop.news()
    shop.client.v1.subscriptions.cancel(pro_subscription.id)
    assert shop.news() == [
        "invoiceitem.deleted",
        "invoiceitem.deleted",
        "customer.subscription.deleted",
    ]
    assert pending(shop) == []


def test_pending_items_are_billed_at_a_planned_end(shop, pro_subscription):
    shop.later(10)
    change(shop, pro_subscription, quantity=2)
    shop.client.v1.subscriptions.update(pro_subscription.id, {"cancel_at_period_end": True})
    shop.later(40)
    assert (newest(shop).total, newest(shop).status) == (2100, "paid")
    assert shop.subscription(pro_subscription.id).status == "canceled"


def test_an_end_at_period_end_follows_the_period(shop, pro_subscription):
    shop.client.v1.subscriptions.update(pro_subscription.id, {"cancel_at_period_end": True})
    shop.later(10)
    changed = change(shop, pro_subscription, price=shop.price(36500, "year"))
    assert changed.cancel_at == NOW + 375 * DAY


def test_a_subscription_past_due_is_still_changed(shop, pro_subscription):
    bad = shop.client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": pro_subscription.customer}
    )
    shop.client.v1.subscriptions.update(pro_subscription.id, {"default_payment_method": bad.id})
    shop.until(NOW + PERIOD + 3600)
    assert shop.subscription(pro_subscription.id).status == "past_due"
    changed = change(shop, pro_subscription, quantity=2)
    assert changed.status == "past_due"
    assert len(pending(shop)) == 2


def test_a_change_that_the_bank_asks_about_waits_for_the_payer(shop, pro_subscription):
    customer = pro_subscription.customer
    card = shop.client.v1.payment_methods.attach(
        "pm_card_authenticationRequired", {"customer": customer}
    )
    shop.client.v1.subscriptions.update(pro_subscription.id, {"default_payment_method": card.id})
    dear = shop.price(6200)
    changed = change(shop, pro_subscription, price=dear, proration_behavior="always_invoice")
    assert "invoice.payment_action_required" in shop.news()
    assert (changed.status, newest(shop).status) == ("past_due", "open")
    expanded = shop.client.v1.invoices.retrieve(newest(shop).id, {"expand": ["payments"]})
    intent = str(expanded.payments.data[0].payment.payment_intent)
    assert buyer.authenticate(shop.world, intent, succeeds=True).status == "complete"
    assert shop.subscription(pro_subscription.id).status == "active"
