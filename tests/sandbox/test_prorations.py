"""Subscription changes are prorated to the second."""

import pytest
import stripe

from sandbox import buyer
from sandbox.billing import proration
from tests.sandbox.shop import DAY, NOW

PERIOD = 31 * DAY
"""From ``NOW`` to the first renewal."""

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


@pytest.fixture
def subscription(shop):
    """Of $31.00 a month: a dollar a day."""
    return shop.subscribe(shop.price(3100))


def item_of(subscription):
    return subscription["items"].data[0].id


def change(shop, subscription, **params):
    """Change the only item's price or quantity, at the end of the tenth day."""
    item = {"id": item_of(subscription)}
    for name in ("price", "quantity"):
        if name in params:
            item[name] = params.pop(name)
    shop.news()
    return shop.client.v1.subscriptions.update(subscription.id, {"items": [item], **params})


def pending(shop):
    items = shop.client.v1.invoice_items.list({"pending": True}).data
    return sorted((item.amount, item.description) for item in items)


def newest(shop):
    return shop.client.v1.invoices.list().data[0]


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


def test_an_upgrade_is_billed_with_the_next_invoice(shop, subscription):
    shop.later(10)
    changed = change(shop, subscription, price=shop.price(6200))
    assert shop.news() == CHANGED
    assert changed["items"].data[0].price.unit_amount == 6200
    assert changed["items"].data[0].id == item_of(subscription)
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
    assert details.subscription_item == item_of(subscription)
    assert pending(shop) == []


def test_an_upgrade_billed_at_once(shop, subscription):
    shop.later(10)
    change(shop, subscription, price=shop.price(6200), proration_behavior="always_invoice")
    assert shop.news() == CHANGED_AND_PAID
    invoice = newest(shop)
    assert (invoice.billing_reason, invoice.status) == ("subscription_update", "paid")
    assert invoice.total == invoice.amount_paid == 2100
    shop.until(NOW + PERIOD + 3600)
    assert newest(shop).total == 6200


def test_a_downgrade_at_once_becomes_a_balance_that_pays_the_renewal(shop, subscription):
    shop.later(10)
    change(shop, subscription, price=shop.price(1000), proration_behavior="always_invoice")
    credit = newest(shop)
    assert (credit.total, credit.amount_due, credit.status) == (677 - 2100, 0, "paid")
    customer = shop.client.v1.customers.retrieve(subscription.customer)
    assert customer.balance == -1423
    shop.until(NOW + PERIOD + 3600)
    renewal = newest(shop)
    assert (renewal.total, renewal.starting_balance, renewal.amount_due) == (1000, -1423, 0)
    assert (renewal.status, renewal.ending_balance) == ("paid", -423)


def test_a_change_that_costs_nothing(shop, subscription):
    shop.later(10)
    change(shop, subscription, price=shop.price(6200), proration_behavior="none")
    assert shop.news() == ["customer.subscription.updated"]
    shop.until(NOW + PERIOD + 3600)
    assert newest(shop).total == 6200


def test_more_of_the_same(shop, subscription):
    shop.later(10)
    change(shop, subscription, quantity=3)
    assert pending(shop) == [
        (-2100, "Unused time on Pro after 25 Jan 2027"),
        (6300, "Remaining time on 3 × Pro after 25 Jan 2027"),
    ]


def test_a_proration_date(shop, subscription):
    shop.later(10)
    change(shop, subscription, price=shop.price(6200), proration_date=NOW + 5 * DAY)
    assert [amount for amount, _ in pending(shop)] == [-2600, 5200]
    with pytest.raises(stripe.InvalidRequestError, match="within the current period"):
        change(shop, subscription, quantity=2, proration_date=NOW - 1)


def test_an_item_added_and_removed(shop, subscription):
    shop.later(10)
    shop.news()
    added = shop.client.v1.subscriptions.update(
        subscription.id, {"items": [{"price": shop.price(310)}]}
    )
    item = added["items"].data[1]
    assert (item.current_period_start, item.current_period_end) == (NOW, NOW + PERIOD)
    assert [amount for amount, _ in pending(shop)] == [210]
    shop.client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": item.id, "deleted": True}]}
    )
    assert [amount for amount, _ in pending(shop)] == [-210, 210]
    with pytest.raises(stripe.InvalidRequestError, match="at least one active plan"):
        shop.client.v1.subscriptions.update(
            subscription.id, {"items": [{"id": item_of(subscription), "deleted": True}]}
        )
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription item"):
        shop.client.v1.subscriptions.update(subscription.id, {"items": [{"id": "si_no"}]})


def test_from_monthly_to_yearly_a_new_period_begins(shop, subscription):
    shop.later(10)
    changed = change(shop, subscription, price=shop.price(36500, "year"))
    item = changed["items"].data[0]
    assert item.current_period_start == changed.billing_cycle_anchor == NOW + 10 * DAY
    assert item.current_period_end == NOW + 375 * DAY
    invoice = newest(shop)
    assert (invoice.status, invoice.total) == ("paid", 36500 - 2100)


def test_the_cycle_starts_anew(shop, subscription):
    shop.later(10)
    changed = shop.client.v1.subscriptions.update(
        subscription.id, {"billing_cycle_anchor": {"type": "now"}}
    )
    assert changed["items"].data[0].current_period_start == NOW + 10 * DAY
    assert newest(shop).total == 3100 - 2100


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


def test_a_trial_made_longer(shop):
    subscription = shop.subscribe(trial_period_days=14)
    later = NOW + 40 * DAY
    changed = shop.client.v1.subscriptions.update(subscription.id, {"trial_end": later})
    assert (changed.trial_end, changed.billing_cycle_anchor) == (later, later)
    shop.news()
    shop.until(later - 1)
    assert shop.news() == ["customer.subscription.trial_will_end"]
    shop.until(later)
    assert shop.subscription(subscription.id).status == "active"


def test_a_change_that_cannot_be_paid(shop, subscription):
    shop.later(10)
    customer = subscription.customer
    bad = shop.client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": customer}
    )
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": bad.id})
    dear = shop.price(6200)
    with pytest.raises(stripe.CardError):
        change(
            shop,
            subscription,
            price=dear,
            proration_behavior="always_invoice",
            payment_behavior="error_if_incomplete",
        )
    assert shop.news() == []
    assert shop.subscription(subscription.id)["items"].data[0].price.unit_amount == 3100
    changed = change(shop, subscription, price=dear, proration_behavior="always_invoice")
    assert changed.status == "past_due"
    assert newest(shop).next_payment_attempt == NOW + 13 * DAY


def test_canceling_with_a_credit(shop, subscription):
    shop.later(10)
    shop.news()
    shop.client.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})
    events = shop.news()
    assert events[-1] == "customer.subscription.deleted"
    assert newest(shop).total == -2100
    assert shop.client.v1.customers.retrieve(subscription.customer).balance == -2100


def test_canceling_forgets_what_was_not_billed(shop, subscription):
    shop.later(10)
    change(shop, subscription, quantity=2)
    shop.news()
    shop.client.v1.subscriptions.cancel(subscription.id)
    assert shop.news() == [
        "invoiceitem.deleted",
        "invoiceitem.deleted",
        "customer.subscription.deleted",
    ]
    assert pending(shop) == []


def test_what_waits_at_a_planned_end_is_billed(shop, subscription):
    shop.later(10)
    change(shop, subscription, quantity=2)
    shop.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    shop.later(40)
    assert (newest(shop).total, newest(shop).status) == (2100, "paid")
    assert shop.subscription(subscription.id).status == "canceled"


def test_an_end_at_period_end_follows_the_period(shop, subscription):
    shop.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    shop.later(10)
    changed = change(shop, subscription, price=shop.price(36500, "year"))
    assert changed.cancel_at == NOW + 375 * DAY


def test_a_subscription_past_due_is_still_changed(shop, subscription):
    bad = shop.client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": subscription.customer}
    )
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": bad.id})
    shop.until(NOW + PERIOD + 3600)
    assert shop.subscription(subscription.id).status == "past_due"
    changed = change(shop, subscription, quantity=2)
    assert changed.status == "past_due"
    assert len(pending(shop)) == 2


def test_a_change_that_the_bank_asks_about_waits_for_the_payer(shop, subscription):
    customer = subscription.customer
    card = shop.client.v1.payment_methods.attach(
        "pm_card_authenticationRequired", {"customer": customer}
    )
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": card.id})
    dear = shop.price(6200)
    changed = change(shop, subscription, price=dear, proration_behavior="always_invoice")
    assert "invoice.payment_action_required" in shop.news()
    assert (changed.status, newest(shop).status) == ("past_due", "open")
    expanded = shop.client.v1.invoices.retrieve(newest(shop).id, {"expand": ["payments"]})
    intent = str(expanded.payments.data[0].payment.payment_intent)
    assert buyer.authenticate(shop.world, intent, succeeds=True).status == "complete"
    assert shop.subscription(subscription.id).status == "active"
