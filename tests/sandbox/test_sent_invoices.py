"""Sent invoices are paid by hand until their due date."""

import pytest
import stripe

from sandbox.billing import billing_settings
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW

HOUR = 3600
END = NOW + 31 * DAY


def subscribe(shop, customer, **params):
    return shop.client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": shop.price(3100)}],
            "collection_method": "send_invoice",
            "days_until_due": 14,
            **params,
        }
    )


def newest(shop, subscription):
    return shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]


def pay(shop, invoice, **params):
    return shop.client.v1.invoices.pay(invoice.id, params)


def test_a_subscription_with_sent_invoices_starts_unpaid(shop):
    subscription = subscribe(shop, shop.customer())
    assert (subscription.status, subscription.collection_method, subscription.days_until_due) == (
        "active",
        "send_invoice",
        14,
    )
    draft = newest(shop, subscription)
    assert (draft.status, draft.collection_method, draft.due_date) == (
        "draft",
        "send_invoice",
        NOW + 14 * DAY,
    )
    shop.news()
    shop.until(NOW + HOUR)
    assert "invoice.sent" in shop.news()
    opened = newest(shop, subscription)
    assert (opened.status, opened.due_date) == ("open", NOW + HOUR + 14 * DAY)
    assert (opened.attempt_count, opened.next_payment_attempt) == (0, None)
    assert opened.hosted_invoice_url


def test_a_card_on_file_is_not_charged(shop):
    subscription = subscribe(shop, shop.customer("pm_card_visa"))
    shop.until(NOW + 13 * DAY)
    assert newest(shop, subscription).status == "open"
    assert shop.client.v1.charges.list({"customer": subscription.customer}).data == []
    assert pay(shop, newest(shop, subscription)).status == "paid"


def test_an_invoice_paid_in_time_keeps_the_subscription_active(shop):
    subscription = subscribe(shop, shop.customer())
    shop.until(NOW + HOUR)
    assert pay(shop, newest(shop, subscription), paid_out_of_band=True).status == "paid"
    shop.until(END + HOUR)
    assert shop.subscription(subscription.id).status == "active"
    renewal = newest(shop, subscription)
    assert (renewal.billing_reason, renewal.due_date) == (
        "subscription_cycle",
        END + HOUR + 14 * DAY,
    )


def test_the_subscription_is_past_due_after_the_due_date(shop):
    subscription = subscribe(shop, shop.customer())
    due = NOW + HOUR + 14 * DAY
    shop.until(due - 1)
    assert shop.subscription(subscription.id).status == "active"
    shop.news()
    shop.until(due)
    assert shop.news() == ["customer.subscription.updated"]
    assert shop.subscription(subscription.id).status == "past_due"
    shop.until(due + 5 * DAY)
    pay(shop, newest(shop, subscription), paid_out_of_band=True)
    assert shop.subscription(subscription.id).status == "active"


def test_a_renewal_that_is_not_due_yet_clears_what_was_owed(shop):
    """Stripe looks at the latest invoice: it is open, and its time has not come."""
    subscription = subscribe(shop, shop.customer(), days_until_due=30)
    shop.until(NOW + 30 * DAY + HOUR)
    assert shop.subscription(subscription.id).status == "past_due"
    first = newest(shop, subscription)
    shop.until(END + HOUR)
    pay(shop, first, paid_out_of_band=True)
    assert shop.subscription(subscription.id).status == "active"


@pytest.mark.parametrize(
    ("policy", "status"),
    [("leave_past_due", "past_due"), ("mark_unpaid", "unpaid"), ("cancel", "canceled")],
)
def test_an_overdue_subscription_ends_as_configured(shop, policy, status):
    with shop.world.transaction() as tx:
        billing_settings.change_settings(tx, overdue_days=30, after_overdue=policy)
    subscription = subscribe(shop, shop.customer(), items=[{"price": shop.price(3100, "year")}])
    shop.until(NOW + HOUR + 44 * DAY - 1)
    assert shop.subscription(subscription.id).status == "past_due"
    shop.until(NOW + HOUR + 44 * DAY)
    assert shop.subscription(subscription.id).status == status


def test_a_declined_card_on_the_hosted_page_owes_nothing_yet(shop):
    subscription = subscribe(shop, shop.customer("pm_card_chargeCustomerFail"))
    shop.until(NOW + HOUR)
    with pytest.raises(stripe.CardError):
        pay(shop, newest(shop, subscription))
    assert shop.subscription(subscription.id).status == "active"
    assert newest(shop, subscription).next_payment_attempt is None


def test_a_subscription_can_change_its_collection_method(shop):
    subscription = shop.subscribe(shop.price(3100))
    update = shop.client.v1.subscriptions.update
    turned = update(subscription.id, {"collection_method": "send_invoice", "days_until_due": 7})
    assert (turned.collection_method, turned.days_until_due) == ("send_invoice", 7)
    back = update(subscription.id, {"collection_method": "charge_automatically"})
    assert (back.collection_method, back.days_until_due) == ("charge_automatically", None)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"days_until_due": -1}, "days_until_due"),
        ({"collection_method": "charge_automatically"}, "days_until_due"),
        ({"payment_behavior": "default_incomplete"}, "payment_behavior"),
    ],
)
def test_invalid_sent_invoices_are_refused(shop, params, param):
    with pytest.raises(stripe.InvalidRequestError) as raised:
        subscribe(shop, shop.customer(), **params)
    assert error_of(raised).param == param


def test_a_customer_without_an_address_is_sent_nothing(shop):
    nobody = shop.client.v1.customers.create({}).id
    with pytest.raises(stripe.InvalidRequestError, match="Missing email"):
        subscribe(shop, nobody)
