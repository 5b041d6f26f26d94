"""Cards saved through Checkout are attached, used by default and removed."""

import pytest
import stripe

from sandbox import buyer
from tests.sandbox.shop import DAY, NOW


def save(shop, customer, card="4242424242424242", **params):
    session = shop.session(
        "", "setup", line_items=[], customer=customer, currency="usd",
        setup_intent_data={"metadata": {"for": "later"}}, **params,
    )  # fmt: skip
    shop.news()
    outcome = shop.pay(session, card, authenticates=None)
    return shop.client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["setup_intent"]}
    ), outcome


def test_a_card_is_saved_and_pays_what_comes(shop):
    customer = shop.customer()
    session, outcome = save(shop, customer)
    assert (outcome.status, session.status, session.payment_status) == (
        "complete",
        "complete",
        "no_payment_required",
    )
    assert shop.news() == [
        "setup_intent.created",
        "setup_intent.succeeded",
        "payment_method.attached",
        "checkout.session.completed",
    ]
    intent = session.setup_intent
    assert (intent.status, intent.customer, intent.metadata["for"]) == (
        "succeeded",
        customer,
        "later",
    )
    v1 = shop.client.v1
    (method,) = v1.customers.payment_methods.list(customer).data
    assert method.id == intent.payment_method
    assert v1.customers.retrieve(customer).invoice_settings.default_payment_method is None
    v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method.id}})
    changed = v1.payment_methods.update(
        method.id, {"card": {"exp_year": 2040}, "metadata": {"a": "b"}}
    )
    assert (changed.card.exp_year, changed.metadata["a"]) == (2040, "b")
    subscription = v1.subscriptions.create(
        {"customer": customer, "items": [{"price": shop.price(1000)}]}
    )
    assert (subscription.status, subscription.default_payment_method) == ("active", None)
    shop.news()
    v1.payment_methods.detach(method.id)
    assert shop.news() == ["payment_method.detached", "customer.updated"]
    shop.until(NOW + 31 * DAY + 3600)
    assert shop.subscription(subscription.id).status == "past_due"


def test_the_subscriptions_own_card_comes_first(shop):
    customer = shop.customer("pm_card_chargeCustomerFail")
    session, _ = save(shop, customer)
    subscription = shop.client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": shop.price(1000)}],
            "default_payment_method": session.setup_intent.payment_method,
        }
    )
    assert subscription.status == "active"
    cleared = shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": ""})
    assert cleared.default_payment_method is None
    shop.until(NOW + 31 * DAY + 3600)
    assert shop.subscription(subscription.id).status == "past_due"


@pytest.mark.parametrize("succeeds", [True, False])
def test_saving_a_card_can_need_three_d_secure(shop, succeeds):
    customer = shop.customer()
    session, outcome = save(shop, customer, "4000002500003155")
    assert outcome.status == "requires_action"
    assert shop.news() == ["setup_intent.created", "setup_intent.requires_action"]
    buyer.authenticate(shop.world, buyer.last_path_segment(str(outcome.url)), succeeds=succeeds)
    after = shop.client.v1.checkout.sessions.retrieve(session.id)
    assert after.status == ("complete" if succeeds else "open")
    news = shop.news()
    assert ("setup_intent.setup_failed" in news) is not succeeds
    assert ("checkout.session.completed" in news) is succeeds
    saved = shop.client.v1.customers.payment_methods.list(customer).data
    assert len(saved) == int(succeeds)


def test_a_declined_card_leaves_the_session_open(shop):
    customer = shop.customer()
    session, outcome = save(shop, customer, "4000000000000002")
    assert (outcome.status, session.status) == ("declined", "open")
    assert shop.news() == ["setup_intent.created", "setup_intent.setup_failed"]
    assert shop.pay(session).status == "complete"


def test_a_customer_is_made_where_none_is_named(shop):
    session = shop.session("", "setup", line_items=[], currency="usd", customer_creation="always")
    assert shop.pay(session).status == "complete"
    done = shop.client.v1.checkout.sessions.retrieve(session.id)
    assert shop.client.v1.customers.payment_methods.list(str(done.customer)).data
    with pytest.raises(stripe.InvalidRequestError):
        shop.session("", "setup", line_items=[])
