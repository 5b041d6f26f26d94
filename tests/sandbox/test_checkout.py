"""Checkout sessions complete or expire and leave the right objects behind."""

import pytest
import stripe

from sandbox import buyer
from sandbox.errors import StripeFailure
from tests.sandbox.checkout_events import retrieve
from tests.sandbox.shop import DAY, NOW


def test_an_open_session_has_stripes_fields(shop):
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


def test_a_session_expires_on_request(shop):
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


def test_the_metadata_of_a_session_can_change(shop):
    session = shop.session(shop.price(), metadata={"a": "1", "b": "2"})
    changed = shop.client.v1.checkout.sessions.update(session.id, {"metadata": {"a": ""}})
    assert changed.metadata.to_dict() == {"b": "2"}


def test_an_overdue_session_cannot_be_paid(shop):
    session = shop.session(shop.price())
    shop.world.move_clock(NOW + DAY)
    with pytest.raises(StripeFailure, match="has expired"):
        shop.pay(session)
