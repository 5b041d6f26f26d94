"""Checkout sessions complete or expire and leave the right objects behind."""

import pytest
import stripe

from sandbox import buyer
from sandbox.errors import StripeFailure
from tests.sandbox.conftest import NOW
from tests.sandbox.shop import DAY, SUCCESS

FIRST_SUBSCRIPTION = [
    "charge.succeeded",
    "payment_method.attached",
    "customer.created",
    "customer.updated",
    "checkout.session.completed",
    "customer.subscription.created",
    "payment_intent.created",
    "payment_intent.succeeded",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice_payment.paid",
]
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


def retrieve(shop, session, *expand):
    return shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": list(expand)})


def test_an_open_session(shop):
    price = shop.price()
    session = shop.session(
        price,
        line_items=[{"price": price, "quantity": 3}],
        client_reference_id="org_1",
        metadata={"order": "7"},
        customer_email="ada@example.com",
        cancel_url="https://shop.example/cart",
        expand=["line_items"],
    )
    assert session.status == "open"
    assert session.payment_status == "unpaid"
    assert session.url == f"{shop.world.base_url}/pages/checkout/{session.id}"
    assert session.id.startswith("cs_test_")
    assert (session.amount_subtotal, session.amount_total, session.currency) == (3000, 3000, "usd")
    assert session.expires_at == NOW + DAY
    assert session.metadata.to_dict() == {"order": "7"}
    assert session.client_reference_id == "org_1"
    assert session.customer_details.email == "ada@example.com"
    assert (session.customer, session.subscription, session.invoice) == (None, None, None)
    (line,) = session.line_items.data
    assert (line.quantity, line.amount_total, line.description) == (3, 3000, "Pro")
    assert line.price.id == price
    assert "line_items" not in retrieve(shop, session)


def test_line_items_have_their_own_list(shop):
    prices = [shop.price(100 * n, None) for n in (5, 6, 7)]
    session = shop.session(
        "", "payment", line_items=[{"price": price, "quantity": 1} for price in prices]
    )
    lines = shop.client.v1.checkout.sessions.line_items.list(session.id, {"limit": 2})
    assert [line.price.id for line in lines.data] == prices[:2]
    assert lines.has_more
    assert [line.price.id for line in lines.auto_paging_iter()] == prices


def test_first_subscription_of_a_new_customer(shop):
    price = shop.price()
    session = shop.session(
        price,
        client_reference_id="org_1",
        metadata={"order": "7"},
        subscription_data={"metadata": {"plan": "pro"}},
    )
    shop.news()
    assert shop.pay(session, email="ada@example.com", name="Ada").status == "complete"
    assert shop.news() == FIRST_SUBSCRIPTION
    done = retrieve(shop, session, "subscription.latest_invoice", "customer")
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert done.payment_intent is None
    assert done.customer_details.email == done.customer.email == "ada@example.com"
    assert done.customer.name == "Ada"
    subscription = done.subscription
    assert subscription.status == "active"
    assert subscription.metadata.to_dict() == {"plan": "pro"}
    assert subscription.billing_mode.type == "flexible"
    (item,) = subscription["items"].data
    assert item.current_period_start == NOW
    assert item.current_period_end == 1_802_678_400  # 15 February, a month later
    assert not {"current_period_start", "current_period_end"} & set(subscription.to_dict())
    method = shop.client.v1.payment_methods.retrieve(subscription.default_payment_method)
    assert method.customer == done.customer.id
    invoice = subscription.latest_invoice
    assert done.invoice == invoice.id
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_create")
    assert (invoice.amount_paid, invoice.amount_remaining) == (1000, 0)
    assert invoice.number == f"{done.customer.invoice_prefix}-0001"
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert invoice.parent.subscription_details.metadata.to_dict() == {"plan": "pro"}


def test_the_payment_names_its_invoice_only_through_the_invoice_payment(shop):
    subscription = shop.subscribe()
    invoice = shop.client.v1.invoices.retrieve(
        subscription.latest_invoice, {"expand": ["payments.data.payment.payment_intent"]}
    )
    (payment,) = invoice.payments.data
    intent = payment.payment.payment_intent
    assert (payment.status, payment.amount_paid) == ("paid", 1000)
    assert (intent.status, intent.customer) == ("succeeded", subscription.customer)
    assert "invoice" not in intent
    found = shop.client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent.id}}
    )
    assert [each.invoice for each in found.data] == [invoice.id]
    assert "payments" not in shop.client.v1.invoices.retrieve(invoice.id)


def test_an_existing_customer_buys(shop):
    customer = shop.customer()
    session = shop.session(shop.price(), customer=customer)
    assert session.customer_details.email == "ada@example.com"
    shop.news()
    shop.pay(session, email="someone@else.example")
    assert shop.news() == [each for each in FIRST_SUBSCRIPTION if each != "customer.created"]
    done = retrieve(shop, session)
    assert done.customer == customer
    assert done.customer_details.email == "ada@example.com"


def test_a_one_time_payment_by_a_guest(shop):
    session = shop.session(
        shop.price(1500, None),
        "payment",
        payment_intent_data={"metadata": {"order": "7"}, "description": "An order"},
    )
    shop.news()
    assert shop.pay(session).status == "complete"
    assert shop.news() == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "payment_intent.created",
        "checkout.session.completed",
        "charge.updated",
    ]
    done = retrieve(shop, session, "payment_intent")
    assert (done.status, done.payment_status) == ("complete", "paid")
    assert (done.customer, done.subscription, done.invoice) == (None, None, None)
    assert done.payment_intent.amount_received == 1500
    assert done.payment_intent.metadata.to_dict() == {"order": "7"}
    assert done.metadata.to_dict() == {}
    assert done.customer_details.email == buyer.EMAIL


def test_a_one_time_payment_that_makes_a_customer(shop):
    session = shop.session(shop.price(1500, None), "payment", customer_creation="always")
    shop.news()
    shop.pay(session)
    assert shop.news() == [
        "charge.succeeded",
        "customer.created",
        "payment_intent.succeeded",
        "payment_intent.created",
        "checkout.session.completed",
        "charge.updated",
    ]
    done = retrieve(shop, session, "customer", "payment_intent")
    assert done.customer.email == buyer.EMAIL
    assert done.payment_intent.customer == done.customer.id


def test_recurring_and_one_time_together(shop):
    monthly, once = shop.price(1000), shop.price(500, None)
    session = shop.session(
        "", line_items=[{"price": monthly, "quantity": 1}, {"price": once, "quantity": 2}]
    )
    assert session.amount_total == 2000
    shop.news()
    shop.pay(session)
    assert sorted(shop.news()) == sorted([*FIRST_SUBSCRIPTION, "invoiceitem.created"])
    done = retrieve(shop, session, "subscription.latest_invoice")
    assert [item.price.id for item in done.subscription["items"].data] == [monthly]
    lines = done.subscription.latest_invoice.lines.data
    assert [(line.amount, line.pricing.price_details.price) for line in lines] == [
        (1000, monthly),
        (1000, once),
    ]
    shop.later(32)
    assert shop.client.v1.invoices.list().data[0].total == 1000


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
def test_cards_that_are_refused(shop, card, code, param):
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


def test_nothing_to_pay_at_all(shop):
    session = shop.session(shop.price(0, None), "payment")
    assert session.payment_status == "no_payment_required"
    shop.news()
    assert shop.pay(session, None).status == "complete"
    assert shop.news() == ["checkout.session.completed"]
    done = retrieve(shop, session)
    assert (done.payment_status, done.payment_intent) == ("no_payment_required", None)


def test_a_card_that_attaches_and_then_fails(shop):
    session = shop.session(shop.price(), subscription_data={"trial_period_days": 3})
    assert shop.pay(session, "4000000000000341").status == "complete"
    subscription = retrieve(shop, session).subscription
    shop.later(3, seconds=3600)
    assert shop.subscription(subscription).status == "past_due"


def test_setup_mode_saves_a_card(shop):
    customer = shop.customer()
    session = shop.client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "usd",
            "customer": customer,
            "success_url": SUCCESS,
            "setup_intent_data": {"metadata": {"for": "later"}},
        }
    )
    shop.news()
    assert shop.pay(session).status == "complete"
    assert shop.news() == [
        "setup_intent.created",
        "setup_intent.succeeded",
        "payment_method.attached",
        "checkout.session.completed",
    ]
    done = retrieve(shop, session, "setup_intent")
    assert (done.amount_total, done.payment_status) == (None, "no_payment_required")
    assert done.setup_intent.metadata.to_dict() == {"for": "later"}
    assert len(shop.client.v1.customers.payment_methods.list(customer).data) == 1


def test_an_embedded_session_has_a_secret_and_no_page(shop):
    session = shop.client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "ui_mode": "embedded_page",
            "return_url": "https://shop.example/back",
            "line_items": [{"price": shop.price(), "quantity": 1}],
        }
    )
    assert session.url is None
    assert str(session.client_secret).startswith(f"{session.id}_secret_")
    assert shop.pay(session).status == "complete"


def test_a_session_is_completed_once(shop):
    session = shop.session(shop.price())
    shop.pay(session)
    with pytest.raises(StripeFailure, match="already complete"):
        shop.pay(session)
    assert len(shop.client.v1.subscriptions.list().data) == 1


def test_a_session_expires_when_told(shop):
    session = shop.session(shop.price())
    shop.news()
    expired = shop.client.v1.checkout.sessions.expire(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    assert shop.news() == ["checkout.session.expired"]
    with pytest.raises(StripeFailure, match="has expired"):
        shop.pay(session)
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        shop.client.v1.checkout.sessions.expire(session.id)


def test_a_session_expires_by_itself_and_its_failed_payment_with_it(shop):
    session = shop.session(shop.price(1500, None), "payment", expires_at=NOW + 3600)
    shop.pay(session, "4000000000000002")
    shop.news()
    shop.until(NOW + 3599)
    assert retrieve(shop, session).status == "open"
    shop.until(NOW + 3600)
    assert [(event["type"], event["created"]) for event in shop.events()] == [
        ("payment_intent.canceled", NOW + 3600),
        ("checkout.session.expired", NOW + 3600),
    ]
    done = retrieve(shop, session, "payment_intent")
    assert (done.status, done.payment_intent.status) == ("expired", "canceled")


def test_a_sessions_payment_is_not_confirmed_from_outside(shop):
    session = shop.session(shop.price(1500, None), "payment")
    shop.pay(session, "4000000000000002")
    intent = retrieve(shop, session).payment_intent
    with pytest.raises(stripe.InvalidRequestError, match="created by a Checkout Session"):
        shop.client.v1.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})


def test_sessions_are_listed_by_what_they_led_to(shop):
    price = shop.price()
    first, second = shop.session(price), shop.session(price)
    shop.pay(second)
    done = retrieve(shop, second)
    sessions = shop.client.v1.checkout.sessions
    assert [each.id for each in sessions.list().data] == [second.id, first.id]
    for params in (
        {"status": "complete"},
        {"subscription": done.subscription},
        {"customer": done.customer},
        {"customer_details": {"email": buyer.EMAIL}},
    ):
        assert [each.id for each in sessions.list(params).data] == [second.id], params
    assert [each.id for each in sessions.list({"status": "open"}).data] == [first.id]


def test_metadata_can_change(shop):
    session = shop.session(shop.price(), metadata={"a": "1", "b": "2"})
    changed = shop.client.v1.checkout.sessions.update(session.id, {"metadata": {"a": ""}})
    assert changed.metadata.to_dict() == {"b": "2"}


def test_the_saved_card_can_be_used_by_name(shop):
    customer = shop.customer("pm_card_visa")
    method = shop.client.v1.customers.payment_methods.list(customer).data[0]
    session = shop.session(shop.price(), customer=customer)
    assert shop.pay(session, method.id).status == "complete"
    done = retrieve(shop, session, "subscription")
    assert done.subscription.default_payment_method == method.id


def test_money_that_is_captured_later(shop):
    session = shop.session(
        shop.price(1500, None), "payment", payment_intent_data={"capture_method": "manual"}
    )
    assert shop.pay(session).status == "complete"
    done = retrieve(shop, session)
    assert (done.status, done.payment_status) == ("complete", "unpaid")
    shop.client.v1.payment_intents.capture(done.payment_intent)
    assert retrieve(shop, session).payment_status == "paid"


def test_a_payment_that_saves_the_card_makes_a_customer(shop):
    session = shop.session(
        shop.price(1500, None),
        "payment",
        payment_intent_data={"setup_future_usage": "off_session"},
    )
    shop.pay(session)
    customer = retrieve(shop, session).customer
    assert len(shop.client.v1.customers.payment_methods.list(customer).data) == 1


def test_what_was_typed_last_is_the_customer(shop):
    session = shop.session(shop.price())
    shop.pay(session, "4000000000000002", email="typo@example.con", name="Adda")
    shop.pay(session, email="ada@example.com", name="Ada")
    done = retrieve(shop, session, "customer")
    assert (done.customer.email, done.customer.name) == ("ada@example.com", "Ada")
    assert len(shop.client.v1.customers.list().data) == 1


def test_a_session_past_its_end_is_not_paid_although_nobody_looked(shop):
    session = shop.session(shop.price())
    shop.world.move_clock(NOW + DAY)
    with pytest.raises(StripeFailure, match="has expired"):
        shop.pay(session)


def test_checkout_charges_what_it_showed_and_nothing_that_waits(shop):
    customer = shop.customer()
    shop.client.v1.customers.update(customer, {"balance": -300})
    shop.client.v1.invoice_items.create({"customer": customer, "amount": 700, "currency": "usd"})
    session = shop.session(shop.price(), customer=customer)
    shop.pay(session)
    invoice = retrieve(shop, session, "invoice").invoice
    assert (invoice.total, invoice.amount_paid, invoice.ending_balance) == (1000, 1000, -300)
    shop.later(32)
    renewal = shop.client.v1.invoices.list().data[0]
    assert (renewal.total, renewal.amount_paid, renewal.ending_balance) == (1700, 1400, 0)
