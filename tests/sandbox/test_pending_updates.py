"""``pending_if_incomplete`` applies a change only when it is paid."""

import pytest
import stripe

from sandbox import buyer
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW

HOUR = 3600


@pytest.fixture
def subscription(shop):
    """Of $31.00 a month, whose card is refused from now on."""
    shown_subscription = shop.subscribe(shop.price(3100))
    shop.later(10)
    pay_with(shop, shown_subscription, "pm_card_chargeCustomerFail")
    return shown_subscription


def pay_with(shop, subscription, card):
    method = shop.client.v1.payment_methods.attach(card, {"customer": subscription.customer})
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    return method.id


def upgrade(shop, subscription, amount=6200, **params):
    item = {"id": subscription["items"].data[0].id, "price": shop.price(amount)}
    shop.news()
    sent = {
        "items": [item],
        "payment_behavior": "pending_if_incomplete",
        "proration_behavior": "always_invoice",
        **params,
    }
    return shop.client.v1.subscriptions.update(subscription.id, sent)


def amount(subscription):
    return subscription["items"].data[0].price.unit_amount


REFUSED = [
    "customer.updated",
    "invoice.created",
    "invoice.finalized",
    "payment_intent.created",
    "charge.failed",
    "payment_intent.payment_failed",
    "invoice.payment_failed",
    "customer.subscription.updated",
    "invoiceitem.created",
    "invoiceitem.created",
]


def test_a_change_paid_at_once_is_applied(shop, subscription):
    pay_with(shop, subscription, "pm_card_visa")
    changed = upgrade(shop, subscription)
    assert (amount(changed), changed.pending_update, changed.status) == (6200, None, "active")
    news = shop.news()
    assert news.count("customer.subscription.updated") == 1
    assert "customer.subscription.pending_update_applied" not in news


def test_a_declined_change_is_applied_when_paid_later(shop, subscription):
    held = upgrade(shop, subscription)
    events = shop.events()
    assert [event["type"] for event in events] == REFUSED
    assert set(events[7]["data"]["previous_attributes"]) == {"latest_invoice", "pending_update"}
    assert (amount(held), held.status) == (3100, "active")
    pending = held.pending_update
    assert pending.expires_at == NOW + 10 * DAY + 23 * HOUR
    assert [item.price.unit_amount for item in pending.subscription_items] == [6200]
    assert (pending.trial_end, pending.billing_cycle_anchor) == (None, None)
    customer = shop.client.v1.customers.retrieve(held.customer)
    assert not customer.delinquent
    invoice = shop.client.v1.invoices.retrieve(held.latest_invoice)
    assert (invoice.status, invoice.next_payment_attempt, invoice.total) == ("open", None, 2100)
    good = pay_with(shop, subscription, "pm_card_visa")
    shop.news()
    shop.client.v1.invoices.pay(invoice.id, {"payment_method": good})
    news = shop.news()
    assert news.count("customer.subscription.updated") == 1
    assert news.count("customer.subscription.pending_update_applied") == 1
    changed = shop.subscription(held.id)
    assert (amount(changed), changed.pending_update) == (6200, None)
    shop.later(2)
    assert amount(shop.subscription(held.id)) == 6200


def test_an_unpaid_change_expires(shop, subscription):
    held = upgrade(shop, subscription)
    shop.news()
    shop.later(seconds=23 * HOUR)
    assert shop.news() == [
        "payment_intent.canceled",
        "invoice.updated",
        "invoice.voided",
        "customer.subscription.updated",
        "customer.subscription.pending_update_expired",
    ]
    after = shop.subscription(held.id)
    assert (amount(after), after.pending_update, after.status) == (3100, None, "active")
    assert shop.client.v1.invoices.retrieve(held.latest_invoice).status == "void"


def test_a_pending_change_expires_with_the_period_or_another_change(shop, subscription):
    shop.until(NOW + 31 * DAY - HOUR)
    first = upgrade(shop, subscription, 900_000)
    assert first.pending_update.expires_at == NOW + 31 * DAY
    second = upgrade(shop, subscription, 990_000)
    assert shop.client.v1.invoices.retrieve(first.latest_invoice).status == "void"
    assert second.pending_update.subscription_items[0].price.unit_amount == 990_000
    shop.client.v1.invoices.void_invoice(second.latest_invoice)
    assert shop.subscription(second.id).pending_update is None


def test_three_d_secure_completes_it(shop, subscription):
    pay_with(shop, subscription, "pm_card_authenticationRequired")
    held = upgrade(shop, subscription)
    assert held.pending_update is not None
    invoice = shop.client.v1.invoices.retrieve(held.latest_invoice, {"expand": ["payments"]})
    buyer.authenticate(shop.world, invoice.payments.data[0].payment.payment_intent, succeeds=True)
    assert amount(shop.subscription(held.id)) == 6200


def test_a_change_that_invoices_nothing_happens_at_once(shop, subscription):
    changed = upgrade(shop, subscription, proration_behavior="none")
    assert (amount(changed), changed.pending_update) == (6200, None)
    assert shop.news() == ["customer.subscription.updated"]


def test_invalid_pending_updates_are_refused(shop, subscription):
    with pytest.raises(stripe.InvalidRequestError) as raised:
        upgrade(shop, subscription, metadata={"a": "b"})
    assert error_of(raised).param == "metadata"
    assert amount(shop.subscription(subscription.id)) == 3100
