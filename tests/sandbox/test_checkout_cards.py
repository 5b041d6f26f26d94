"""Declined and authenticated cards decide what a session leaves behind, with a trial or without."""

import pytest

from sandbox import buyer
from tests.sandbox.checkout_events import FIRST_SUBSCRIPTION, retrieve
from tests.sandbox.shop import DAY, NOW

FIRST_TRIAL = [
    "setup_intent.created",
    "setup_intent.succeeded",
    "payment_method.attached",
    "customer.created",
    "customer.updated",
    "checkout.session.completed",
    "customer.subscription.created",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_succeeded",
]


def test_a_decline_keeps_the_session_open_and_then_it_is_paid(shop):
    session = shop.session(shop.price())
    shop.news()
    outcome = shop.pay(session, "4000000000009995")
    assert outcome.status == "declined"
    assert outcome.decline_code == "insufficient_funds"
    assert outcome.message == "Your card has insufficient funds."
    assert shop.news() == [
        "charge.failed",
        "customer.created",
        "payment_intent.created",
        "payment_intent.payment_failed",
    ]
    still = retrieve(shop, session)
    assert (still.status, still.subscription, still.invoice) == ("open", None, None)
    assert shop.client.v1.subscriptions.list({"status": "all"}).data == []
    assert shop.client.v1.invoices.list().data == []
    assert shop.pay(session).status == "complete"
    assert shop.news() == [
        each
        for each in FIRST_SUBSCRIPTION
        if each not in ("customer.created", "payment_intent.created")
    ]
    assert len(shop.client.v1.payment_intents.list().data) == 1
    assert len(shop.client.v1.customers.list().data) == 1
    assert len(shop.client.v1.charges.list().data) == 2


@pytest.mark.parametrize(
    ("card", "code", "param"),
    [
        ("4242424242424241", "incorrect_number", "card[number]"),
        ("4000000000000069", "expired_card", None),
        ("4000000000000127", "incorrect_cvc", None),
        ("4111111111111111", "card_declined", None),
    ],
)
def test_refused_cards_keep_the_session_open(shop, card, code, param):
    session = shop.session(shop.price(1500, None), "payment")
    outcome = shop.pay(session, card)
    assert (outcome.status, outcome.code, outcome.param) == ("declined", code, param)
    assert retrieve(shop, session).status == "open"


def test_three_d_secure_fails_and_then_succeeds(shop):
    session = shop.session(shop.price())
    shop.news()
    failed = shop.pay(session, "4000002760003184", authenticates=False)
    assert (failed.status, failed.code) == ("declined", "payment_intent_authentication_failure")
    assert shop.news() == [
        "customer.created",
        "payment_intent.created",
        "payment_intent.requires_action",
        "payment_intent.payment_failed",
    ]
    assert retrieve(shop, session).status == "open"
    waiting = shop.pay(session, "4000002760003184", authenticates=None)
    assert waiting.status == "requires_action"
    assert shop.news() == ["payment_intent.requires_action"]
    intent = shop.client.v1.payment_intents.list().data[0]
    assert waiting.url == f"{shop.world.base_url}/pages/3ds/{intent.id}"
    assert buyer.authenticate(shop.world, intent.id, succeeds=True).status == "complete"
    assert shop.news() == [
        each
        for each in FIRST_SUBSCRIPTION
        if each not in ("customer.created", "payment_intent.created")
    ]
    assert retrieve(shop, session).payment_status == "paid"


def test_a_card_declined_after_three_d_secure(shop):
    session = shop.session(shop.price(1500, None), "payment")
    outcome = shop.pay(session, "4000008400001629")
    assert (outcome.status, outcome.decline_code) == ("declined", "generic_decline")
    assert retrieve(shop, session).status == "open"


def test_a_card_authenticated_once_pays_its_renewals(shop):
    subscription = shop.subscribe(card="4000002500003155")
    shop.later(32)
    assert shop.subscription(subscription.id).status == "active"
    assert len(shop.client.v1.invoices.list({"status": "paid"}).data) == 2


def test_a_trial_saves_the_card_and_charges_nothing(shop):
    session = shop.session(
        shop.price(), subscription_data={"trial_period_days": 14}, expand=["line_items"]
    )
    assert (session.amount_total, session.payment_status) == (0, "no_payment_required")
    shop.news()
    assert shop.pay(session).status == "complete"
    assert shop.news() == FIRST_TRIAL
    done = retrieve(shop, session, "subscription.latest_invoice")
    assert done.payment_status == "no_payment_required"
    subscription = done.subscription
    assert (subscription.status, subscription.trial_end) == ("trialing", NOW + 14 * DAY)
    assert subscription["items"].data[0].current_period_end == NOW + 14 * DAY
    assert subscription.billing_cycle_anchor == NOW + 14 * DAY
    assert subscription.default_payment_method
    invoice = subscription.latest_invoice
    assert (invoice.status, invoice.total) == ("paid", 0)
    assert invoice.lines.data[0].description == "Trial period for Pro"
    assert shop.client.v1.invoice_payments.list().data == []


def test_a_declined_card_cannot_start_a_trial(shop):
    session = shop.session(shop.price(), subscription_data={"trial_period_days": 14})
    outcome = shop.pay(session, "4000000000000002")
    assert (outcome.status, outcome.code) == ("declined", "card_declined")
    assert retrieve(shop, session).status == "open"
    assert shop.client.v1.subscriptions.list({"status": "all"}).data == []


def test_a_trial_with_three_d_secure(shop):
    session = shop.session(shop.price(), subscription_data={"trial_period_days": 14})
    waiting = shop.pay(session, "4000002500003155", authenticates=None)
    assert "/pages/3ds/seti_" in waiting.url
    buyer.authenticate(shop.world, buyer.last_path_segment(waiting.url), succeeds=True)
    assert retrieve(shop, session, "subscription").subscription.status == "trialing"
    shop.later(46)
    assert len(shop.client.v1.invoices.list({"status": "paid"}).data) == 3


def test_a_trial_without_a_card(shop):
    session = shop.session(
        shop.price(),
        payment_method_collection="if_required",
        subscription_data={"trial_period_days": 14},
    )
    shop.news()
    assert shop.pay(session, None).status == "complete"
    assert shop.news() == [
        each for each in FIRST_TRIAL if not each.startswith(("setup_intent", "payment_method"))
    ]
    done = retrieve(shop, session, "subscription")
    assert done.subscription.default_payment_method is None


def test_a_card_that_attaches_and_then_fails(shop):
    session = shop.session(shop.price(), subscription_data={"trial_period_days": 3})
    assert shop.pay(session, "4000000000000341").status == "complete"
    subscription = retrieve(shop, session).subscription
    shop.later(3, seconds=3600)
    assert shop.subscription(subscription).status == "past_due"
