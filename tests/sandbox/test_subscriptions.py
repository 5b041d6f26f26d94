"""Subscriptions are created, changed and ended over the API without Checkout."""

import pytest
import stripe

from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW
from tests.sandbox.subscription_calls import create


def test_a_subscription_is_created_and_paid_at_once(shop):
    subscription = create(shop, shop.customer("pm_card_visa"), metadata={"org": "1"})
    assert shop.news() == [
        "charge.succeeded",
        "customer.updated",
        "customer.subscription.created",
        "payment_intent.created",
        "payment_intent.succeeded",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
    ]
    assert subscription.status == "active"
    assert subscription.metadata.to_dict() == {"org": "1"}
    assert subscription["items"].data[0].quantity == 1


def test_a_declined_first_payment_leaves_it_incomplete(shop):
    subscription = create(
        shop, shop.customer("pm_card_chargeCustomerFail"), expand=["latest_invoice.payments"]
    )
    assert shop.news() == [
        "charge.failed",
        "customer.updated",
        "customer.subscription.created",
        "payment_intent.created",
        "payment_intent.payment_failed",
        "invoice.created",
        "invoice.finalized",
        "invoice.payment_failed",
    ]
    assert subscription.status == "incomplete"
    invoice = subscription.latest_invoice
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert invoice.next_payment_attempt is None


def test_an_incomplete_one_expires_after_23_hours(shop):
    subscription = create(shop, shop.customer("pm_card_chargeCustomerFail"))
    shop.news()
    shop.until(NOW + 23 * 3600 - 1)
    assert shop.news() == []
    shop.until(NOW + 23 * 3600)
    events = shop.events()
    assert [event["type"] for event in events] == [
        "customer.subscription.updated",
        "payment_intent.canceled",
        "invoice.updated",
        "invoice.voided",
    ]
    assert {event["created"] for event in events} == {NOW + 23 * 3600}
    expired = shop.subscription(subscription.id, "latest_invoice")
    assert (expired.status, expired.latest_invoice.status) == ("incomplete_expired", "void")
    with pytest.raises(stripe.InvalidRequestError, match="only update its cancellation_details"):
        shop.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})


def test_an_incomplete_one_is_saved_by_paying_its_invoice(shop):
    customer = shop.customer("pm_card_chargeCustomerFail")
    subscription = create(shop, customer)
    method = shop.client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    shop.news()
    shop.client.v1.invoices.pay(str(subscription.latest_invoice), {"payment_method": method.id})
    assert shop.news() == [
        "payment_intent.succeeded",
        "charge.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
        "invoice_payment.paid",
    ]
    assert shop.subscription(subscription.id).status == "active"


def test_default_incomplete_waits_for_the_payer(shop):
    subscription = create(
        shop,
        shop.customer(),
        payment_behavior="default_incomplete",
        payment_settings={"save_default_payment_method": "on_subscription"},
        expand=["latest_invoice.confirmation_secret"],
    )
    assert subscription.status == "incomplete"
    secret = subscription.latest_invoice.confirmation_secret
    intent = secret.client_secret.partition("_secret_")[0]
    shop.news()
    shop.client.v1.payment_intents.confirm(
        intent, {"payment_method": "pm_card_visa", "return_url": "https://shop.example"}
    )
    assert shop.news() == [
        "payment_method.attached",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
        "invoice_payment.paid",
    ]
    active = shop.subscription(subscription.id)
    assert active.status == "active"
    assert active.default_payment_method
    shop.later(32)
    assert shop.subscription(subscription.id).status == "active"
    assert len(shop.client.v1.invoices.list({"status": "paid"}).data) == 2


def test_error_if_incomplete_leaves_nothing(shop):
    customer = shop.customer("pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError) as raised:
        create(shop, customer, payment_behavior="error_if_incomplete")
    assert error_of(raised).decline_code == "generic_decline"
    assert shop.news() == []
    assert shop.client.v1.subscriptions.list({"status": "all"}).data == []


def test_three_d_secure_on_session(shop):
    subscription = create(shop, shop.customer("pm_card_authenticationRequired"))
    assert subscription.status == "incomplete"
    assert "invoice.payment_action_required" in shop.news()


def test_a_trial_without_a_card_offers_to_save_one(shop):
    subscription = create(
        shop, shop.customer(), trial_period_days=30, expand=["pending_setup_intent"]
    )
    assert (subscription.status, subscription.trial_end) == ("trialing", NOW + 30 * DAY)
    assert subscription.pending_setup_intent.status == "requires_payment_method"


def test_an_anchor_makes_the_first_period_a_part(shop):
    anchor = NOW + 10 * DAY
    subscription = create(
        shop,
        shop.customer("pm_card_visa"),
        items=[{"price": shop.price(3100)}],
        billing_cycle_anchor=anchor,
        expand=["latest_invoice"],
    )
    assert subscription["items"].data[0].current_period_end == anchor
    assert subscription.latest_invoice.total == 1000  # 10 of 31 days
    shop.later(10, seconds=3600)
    assert shop.client.v1.invoices.list().data[0].total == 3100


REFUSED = [
    ({"items": []}, "items"),
    ({"items": [{"quantity": 1}]}, "items[0][price]"),
    ({"items": [{"price": "price_no"}]}, "items[0][price]"),
    ({"trial_end": NOW - 1}, "trial_end"),
    ({"trial_period_days": 5, "trial_end": NOW + DAY}, "trial_period_days"),
    ({"billing_cycle_anchor": NOW + 40 * DAY}, "billing_cycle_anchor"),
    ({"billing_cycle_anchor": {"type": "now"}}, "billing_cycle_anchor"),
    ({"default_payment_method": "pm_no"}, "default_payment_method"),
    ({"payment_behavior": "hope"}, "payment_behavior"),
    ({"coupon": "x"}, "coupon"),
    ({"collection_method": "send_invoice"}, "days_until_due"),
    ({"days_until_due": 14}, "days_until_due"),
    ({"cancel_at": NOW - 1}, "cancel_at"),
]


@pytest.mark.parametrize(("params", "param"), REFUSED)
def test_invalid_subscriptions_are_refused(shop, params, param):
    customer = shop.customer("pm_card_visa")
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.client.v1.subscriptions.create(
            {"customer": customer, "items": [{"price": shop.price()}], **params}
        )
    assert error_of(raised).param == param
    assert shop.client.v1.subscriptions.list({"status": "all"}).data == []


def test_one_time_and_archived_prices_are_refused(shop):
    customer = shop.customer("pm_card_visa")
    monthly, metered = shop.price(), shop.metered()
    for items, words in (
        ([{"price": shop.price(500, None)}], "type=recurring"),
        ([{"price": monthly}, {"price": monthly}], "same price"),
        ([{"price": monthly}, {"price": shop.price(currency="eur")}], "same currency"),
        ([{"price": metered, "quantity": 2}], "quantity"),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=words):
            create(shop, customer, items=items)


def test_another_customers_card_is_refused(shop):
    method = shop.client.v1.payment_methods.attach("pm_card_visa", {"customer": shop.customer()})
    with pytest.raises(stripe.InvalidRequestError, match="does not have a payment method"):
        create(shop, shop.customer(), default_payment_method=method.id)


def test_a_customer_without_a_card_is_refused(shop):
    with pytest.raises(stripe.InvalidRequestError) as raised:
        create(shop, shop.customer())
    assert raised.value.code == "resource_missing"
    assert "no attached payment source" in str(raised.value)
