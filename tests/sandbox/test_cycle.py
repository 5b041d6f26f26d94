"""Time renews, retries, cancels and ends subscriptions with the events of Stripe's logs."""

import pytest

from sandbox import forced_declines
from sandbox.billing import billing_settings
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

FAILED = [
    "invoice.finalized",
    "payment_intent.created",
    "charge.failed",
    "payment_intent.payment_failed",
    "invoice.updated",
    "invoice.payment_failed",
    "customer.updated",
    "customer.subscription.updated",
]
RETRY_FAILED = [
    "charge.failed",
    "payment_intent.payment_failed",
    "invoice.updated",
    "invoice.payment_failed",
]
RECOVERED = [
    "payment_intent.succeeded",
    "charge.succeeded",
    "invoice.updated",
    "invoice.paid",
    "invoice.payment_succeeded",
    "customer.updated",
    "customer.subscription.updated",
    "invoice_payment.paid",
]


def accept(shop, subscription):
    with shop.world.transaction() as tx:
        forced_declines.accept_payments(tx, subscription.customer)


def configure(shop, **choices):
    with shop.world.transaction() as tx:
        billing_settings.change_settings(tx, **choices)


def test_a_renewal_is_drafted_and_paid_an_hour_later(shop):
    subscription = shop.subscribe()
    shop.until(RENEWS - 1)
    assert shop.news() == []
    shop.until(RENEWS)
    events = shop.events()
    assert timed(events) == [(RENEWS, type) for type in RENEWED]
    before = changes(events, "customer.subscription.updated")
    assert sorted(before) == ["items", "latest_invoice"]
    assert before["items"]["data"][0]["current_period_end"] == RENEWS
    draft = latest_invoice(shop, subscription)
    assert (draft.status, draft.billing_reason) == ("draft", "subscription_cycle")
    assert draft.automatically_finalizes_at == RENEWS + HOUR
    assert (draft.period_start, draft.period_end) == (NOW, RENEWS)
    shop.until(RENEWS + HOUR - 1)
    assert shop.news() == []
    shop.until(RENEWS + HOUR)
    assert timed(shop.events()) == [(RENEWS + HOUR, type) for type in PAID]
    paid = latest_invoice(shop, subscription)
    assert (paid.id, paid.status, paid.amount_paid) == (draft.id, "paid", 1000)
    assert paid.status_transitions.paid_at == RENEWS + HOUR
    assert paid.attempt_count == 1
    line = paid.lines.data[0]
    assert line.description == "1 × Pro (at $10.00 / month)"
    assert line.period.start == RENEWS
    assert line.parent.subscription_item_details.subscription_item == (
        subscription["items"].data[0].id
    )


def test_a_year_of_renewals_in_one_step(shop):
    subscription = shop.subscribe()
    shop.later(366)
    assert shop.news() == (RENEWED + PAID) * 12
    invoices = list(shop.client.v1.invoices.list({"limit": 100}))
    assert len(invoices) == 13
    assert {invoice.status for invoice in invoices} == {"paid"}
    assert [invoice.number[-4:] for invoice in reversed(invoices)] == [
        f"{n:04d}" for n in range(1, 14)
    ]
    assert shop.subscription(subscription.id).status == "active"


def test_a_failed_renewal_and_its_recovery(shop):
    subscription = shop.subscribe()
    decline(shop, subscription, reason="insufficient_funds")
    shop.until(RENEWS + HOUR)
    events = shop.events()
    assert timed(events) == (
        [(RENEWS, type) for type in RENEWED] + [(RENEWS + HOUR, type) for type in FAILED]
    )
    assert shop.subscription(subscription.id).status == "past_due"
    assert shop.client.v1.customers.retrieve(subscription.customer).delinquent
    owed = latest_invoice(shop, subscription)
    assert (owed.status, owed.attempt_count, owed.attempted) == ("open", 1, True)
    assert owed.next_payment_attempt == RENEWS + HOUR + 3 * DAY
    shop.until(RENEWS + HOUR + 3 * DAY)
    assert timed(shop.events()) == [(RENEWS + HOUR + 3 * DAY, type) for type in RETRY_FAILED]
    accept(shop, subscription)
    shop.until(RENEWS + HOUR + 8 * DAY)
    events = shop.events()
    assert timed(events) == [(RENEWS + HOUR + 8 * DAY, type) for type in RECOVERED]
    assert changes(events, "customer.subscription.updated") == {"status": "past_due"}
    assert shop.subscription(subscription.id).status == "active"
    assert not shop.client.v1.customers.retrieve(subscription.customer).delinquent
    paid = latest_invoice(shop, subscription)
    assert (paid.status, paid.attempt_count) == ("paid", 2)
    assert len(shop.client.v1.payment_intents.list().data) == 2


@pytest.mark.parametrize(
    ("after_retries", "last_events", "status"),
    [
        (
            "cancel",
            [
                "charge.failed",
                "payment_intent.payment_failed",
                "invoice.updated",
                "invoice.updated",
                "invoice.payment_failed",
                "customer.subscription.deleted",
            ],
            "canceled",
        ),
        ("mark_unpaid", [*RETRY_FAILED, "customer.subscription.updated"], "unpaid"),
        ("leave_past_due", RETRY_FAILED, "past_due"),
    ],
)
def test_the_last_failed_retry_ends_the_subscription_as_configured(
    shop, after_retries, last_events, status
):
    configure(shop, after_retries=after_retries)
    subscription = shop.subscribe()
    decline(shop, subscription)
    last = RENEWS + HOUR + (3 + 5 + 7) * DAY
    shop.until(last - 1)
    assert shop.news() == RENEWED + FAILED + RETRY_FAILED * 2
    shop.until(last)
    assert timed(shop.events()) == [(last, type) for type in last_events]
    ended = shop.subscription(subscription.id)
    assert ended.status == status
    if status == "canceled":
        assert ended.cancellation_details.reason == "payment_failed"
        assert ended.ended_at == last
    invoice = latest_invoice(shop, subscription)
    assert (invoice.status, invoice.attempt_count) == ("open", 4)
    assert invoice.next_payment_attempt is None
    assert invoice.auto_advance == (status != "canceled")


def test_an_unpaid_subscription_only_drafts_and_comes_back_when_the_latest_is_paid(shop):
    configure(shop, after_retries="mark_unpaid", retry_after_days=[1])
    subscription = shop.subscribe()
    decline(shop, subscription)
    shop.later(33)
    assert shop.subscription(subscription.id).status == "unpaid"
    shop.news()
    shop.later(31)
    assert shop.news() == RENEWED
    accept(shop, subscription)
    draft = latest_invoice(shop, subscription)
    assert (draft.status, draft.auto_advance) == ("draft", False)
    shop.client.v1.invoices.pay(draft.id)
    assert shop.subscription(subscription.id).status == "active"


def test_a_custom_retry_schedule_is_followed(shop):
    configure(shop, retry_after_days=[2])
    subscription = shop.subscribe()
    decline(shop, subscription)
    shop.until(RENEWS + HOUR + 2 * DAY)
    assert shop.subscription(subscription.id).status == "canceled"


@pytest.mark.parametrize(
    "choices", [{"after_retries": "forgive"}, {"retry_after_days": [0]}, {"retry_after_days": [61]}]
)
def test_invalid_collection_settings_are_refused(shop, choices):
    with pytest.raises(ValueError, match=r"after_retries is one of|whole days"):
        configure(shop, **choices)


def test_a_new_card_pays_at_the_next_retry(shop):
    subscription = shop.subscribe(card="pm_card_visa")
    decline(shop, subscription, times=1)
    shop.until(RENEWS + HOUR)
    method = shop.client.v1.payment_methods.attach(
        "pm_card_mastercard", {"customer": subscription.customer}
    )
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    shop.until(RENEWS + HOUR + 3 * DAY)
    assert shop.subscription(subscription.id).status == "active"
    charge = shop.client.v1.charges.list().data[0]
    assert charge.payment_method == method.id


def test_a_renewal_that_needs_authentication(shop):
    subscription = shop.subscribe(card="4000002760003184")
    shop.until(RENEWS + HOUR)
    assert shop.news() == [*RENEWED, *FAILED[:6], "invoice.payment_action_required", *FAILED[6:]]
    assert shop.subscription(subscription.id).status == "past_due"


def test_a_cancellation_at_period_end_ends_the_subscription_then(shop):
    subscription = shop.subscribe()
    changed = shop.client.v1.subscriptions.update(
        subscription.id,
        {
            "cancel_at_period_end": True,
            "cancellation_details": {"comment": "Too dear", "feedback": "too_expensive"},
        },
    )
    events = shop.events()
    assert [event["type"] for event in events] == ["customer.subscription.updated"]
    assert changes(events, "customer.subscription.updated") == {
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
    }
    assert (changed.status, changed.cancel_at, changed.canceled_at) == ("active", RENEWS, NOW)
    assert changed.cancellation_details.reason == "cancellation_requested"
    shop.until(RENEWS - 1)
    assert shop.news() == []
    shop.later(40)
    assert timed(shop.events()) == [(RENEWS, "customer.subscription.deleted")]
    ended = shop.subscription(subscription.id)
    assert (ended.status, ended.ended_at, ended.canceled_at) == ("canceled", RENEWS, NOW)
    assert len(shop.client.v1.invoices.list().data) == 1
