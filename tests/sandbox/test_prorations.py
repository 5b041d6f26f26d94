"""Subscription changes are prorated to the second."""

import pytest
import stripe

from sandbox.billing import proration
from tests.sandbox.proration_calls import PERIOD, change, item_of, newest, pending
from tests.sandbox.shop import DAY, NOW

CHANGED = ["invoiceitem.created", "invoiceitem.created", "customer.subscription.updated"]
CHANGED_AND_PAID = [
    "customer.updated",
    "invoice.created",
    "invoice.finalized",
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.succeeded",
    "invoice.paid",
    "invoice.payment_succeeded",
    "customer.subscription.updated",
    "invoiceitem.created",
    "invoiceitem.created",
    "invoice_payment.paid",
]


@pytest.mark.parametrize(
    ("amount", "at", "expected"),
    [
        (3100, 0, 3100),
        (3100, 10 * DAY, 2100),
        (3100, PERIOD - 1, 0),
        (3100, PERIOD, 0),
        (1000, 1, 1000),
        (-1000, 0, -1000),
        (1, PERIOD // 2, 1),
        (999_999, 12_345, 995_390),
    ],
)
def test_parts_are_counted_by_the_second(amount, at, expected):
    assert proration.prorate_amount(amount, (0, PERIOD), at) == expected


def test_an_upgrade_is_billed_with_the_next_invoice(shop, pro_subscription):
    shop.later(10)
    changed = change(shop, pro_subscription, price=shop.price(6200))
    assert shop.news() == CHANGED
    assert changed["items"].data[0].price.unit_amount == 6200
    assert changed["items"].data[0].id == item_of(pro_subscription)
    assert pending(shop) == [
        (-2100, "Unused time on Pro after 25 Jan 2027"),
        (4200, "Remaining time on Pro after 25 Jan 2027"),
    ]
    shop.until(NOW + PERIOD + 3600)
    invoice = newest(shop)
    assert [line.amount for line in invoice.lines.data] == [6200, -2100, 4200]
    assert invoice.total == 8300
    details = invoice.lines.data[1].parent.subscription_item_details
    assert details.proration
    assert details.subscription_item == item_of(pro_subscription)
    assert pending(shop) == []


def test_an_upgrade_billed_at_once(shop, pro_subscription):
    shop.later(10)
    change(shop, pro_subscription, price=shop.price(6200), proration_behavior="always_invoice")
    assert shop.news() == CHANGED_AND_PAID
    invoice = newest(shop)
    assert (invoice.billing_reason, invoice.status) == ("subscription_update", "paid")
    assert invoice.total == invoice.amount_paid == 2100
    shop.until(NOW + PERIOD + 3600)
    assert newest(shop).total == 6200


def test_a_downgrade_at_once_becomes_a_balance_that_pays_the_renewal(shop, pro_subscription):
    shop.later(10)
    change(shop, pro_subscription, price=shop.price(1000), proration_behavior="always_invoice")
    credit = newest(shop)
    assert (credit.total, credit.amount_due, credit.status) == (677 - 2100, 0, "paid")
    customer = shop.client.v1.customers.retrieve(pro_subscription.customer)
    assert customer.balance == -1423
    shop.until(NOW + PERIOD + 3600)
    renewal = newest(shop)
    assert (renewal.total, renewal.starting_balance, renewal.amount_due) == (1000, -1423, 0)
    assert (renewal.status, renewal.ending_balance) == ("paid", -423)


def test_a_change_that_costs_nothing(shop, pro_subscription):
    shop.later(10)
    change(shop, pro_subscription, price=shop.price(6200), proration_behavior="none")
    assert shop.news() == ["customer.subscription.updated"]
    shop.until(NOW + PERIOD + 3600)
    assert newest(shop).total == 6200


def test_a_larger_quantity_is_prorated(shop, pro_subscription):
    shop.later(10)
    change(shop, pro_subscription, quantity=3)
    assert pending(shop) == [
        (-2100, "Unused time on Pro after 25 Jan 2027"),
        (6300, "Remaining time on 3 × Pro after 25 Jan 2027"),
    ]


def test_a_change_is_prorated_at_the_given_date(shop, pro_subscription):
    shop.later(10)
    change(shop, pro_subscription, price=shop.price(6200), proration_date=NOW + 5 * DAY)
    assert [amount for amount, _ in pending(shop)] == [-2600, 5200]
    with pytest.raises(stripe.InvalidRequestError, match="within the current period"):
        change(shop, pro_subscription, quantity=2, proration_date=NOW - 1)


def test_an_item_added_and_removed(shop, pro_subscription):
    shop.later(10)
    shop.news()
    added = shop.client.v1.subscriptions.update(
        pro_subscription.id, {"items": [{"price": shop.price(310)}]}
    )
    item = added["items"].data[1]
    assert (item.current_period_start, item.current_period_end) == (NOW, NOW + PERIOD)
    assert [amount for amount, _ in pending(shop)] == [210]
    shop.client.v1.subscriptions.update(
        pro_subscription.id, {"items": [{"id": item.id, "deleted": True}]}
    )
    assert [amount for amount, _ in pending(shop)] == [-210, 210]
    with pytest.raises(stripe.InvalidRequestError, match="at least one active plan"):
        shop.client.v1.subscriptions.update(
            pro_subscription.id, {"items": [{"id": item_of(pro_subscription), "deleted": True}]}
        )
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription item"):
        shop.client.v1.subscriptions.update(pro_subscription.id, {"items": [{"id": "si_no"}]})


def test_from_monthly_to_yearly_a_new_period_begins(shop, pro_subscription):
    shop.later(10)
    changed = change(shop, pro_subscription, price=shop.price(36500, "year"))
    item = changed["items"].data[0]
    assert item.current_period_start == changed.billing_cycle_anchor == NOW + 10 * DAY
    assert item.current_period_end == NOW + 375 * DAY
    invoice = newest(shop)
    assert (invoice.status, invoice.total) == ("paid", 36500 - 2100)


def test_resetting_the_cycle_starts_a_new_period(shop, pro_subscription):
    shop.later(10)
    changed = shop.client.v1.subscriptions.update(
        pro_subscription.id, {"billing_cycle_anchor": {"type": "now"}}
    )
    assert changed["items"].data[0].current_period_start == NOW + 10 * DAY
    assert newest(shop).total == 3100 - 2100
