"""Hosted pages take payments: declines, mistakes, authentication and saved customers."""

import re

import pytest

from sandbox.pages.payment_form import PaymentForm
from tests.sandbox.page_forms import GOOD, fill, page_text, path
from tests.sandbox.shop import SUCCESS


def value(response, name) -> str:
    """What a field of the form holds."""
    match = re.search(rf'<input id="{name}"[^>]*?value="([^"]*)"', response.text)
    assert match, f"no field {name}"
    return match[1]


def test_a_decline_is_shown_in_place_and_the_rest_is_kept(shop, visitor):
    session = shop.session(shop.price())
    refused = fill(visitor, session, number="4000 0000 0000 9995")
    assert refused.status_code == 402
    assert "Card Your card has insufficient funds. Card number" in page_text(refused)
    assert value(refused, "email") == "ada@example.com"
    assert value(refused, "expiry") == "12 / 34"
    assert value(refused, "name") == "Ada Lovelace"
    assert (value(refused, "number"), value(refused, "cvc")) == ("", "")
    assert "9995" not in refused.text.split("<details>")[0]
    assert fill(visitor, session).status_code == 303


@pytest.mark.parametrize(
    ("changes", "field", "message", "status"),
    [
        ({"email": "ada"}, "email", "Enter your e-mail address.", 422),
        ({"number": ""}, "number", "Enter the number on your card.", 422),
        ({"number": "4242 4242 4242 4241"}, "number", "Your card number is incorrect.", 402),
        ({"expiry": "13 / 34"}, "expiry", "Enter month and year, such as 12 / 34.", 422),
        ({"expiry": "12 / 20"}, "expiry", "Your card&#39;s expiration year is invalid.", 402),
        ({"cvc": "1"}, "cvc", "Enter the 3 or 4 digits.", 422),
        ({"name": ""}, "name", "Enter the name on your card.", 422),
        (
            {"number": "4000000000000127"},
            "cvc",
            "Your card&#39;s security code is incorrect.",
            402,
        ),
        ({"number": "4000000000000069"}, "expiry", "Your card has expired.", 402),
    ],
)
def test_invalid_fields_are_named_beside_them(shop, visitor, changes, field, message, status):
    session = shop.session(shop.price())
    answer = fill(visitor, session, **changes)
    assert answer.status_code == status
    assert f'<p class="wrong" id="{field}-error" role="alert">{message}</p>' in answer.text
    marked = re.search(rf'<input id="{field}"[^>]*>', answer.text)
    assert marked
    assert 'aria-invalid="true"' in marked[0]
    assert f'aria-describedby="{field}-error"' in marked[0]
    assert shop.client.v1.checkout.sessions.retrieve(session.id).status == "open"


@pytest.mark.parametrize(
    ("typed", "month", "year"),
    [
        ("12 / 34", 12, 2034),
        ("1/34", 1, 2034),
        ("0134", 1, 2034),
        ("12-2034", 12, 2034),
        ("12 34", 12, 2034),
    ],
)
def test_card_expiries_are_read_as_people_type_them(typed, month, year):
    card = PaymentForm(expiry=typed).card({**GOOD, "expiry": typed})  # type: ignore[arg-type]  # a dict reads the same
    assert (card["exp_month"], card["exp_year"]) == (month, year)


def test_no_card_number_is_kept(shop, visitor, world):
    session = shop.session(shop.price())
    fill(visitor, session, number="4000 0000 0000 9995")
    fill(visitor, session)
    kept = repr(world.store._kinds)
    assert "4242424242424242" not in kept
    assert "4000000000009995" not in kept
    assert "4242 4242" not in kept
    assert "'last4': '4242'" in kept


def test_a_page_asks_for_three_d_secure(shop, visitor):
    session = shop.session(shop.price())
    response = fill(visitor, session, number="4000002760003184")
    assert response.status_code == 303
    bank = response.headers["Location"]
    assert bank.startswith("/pages/3ds/pi_")
    assert "Your bank asks you to approve this payment with the card ending in 3184" in page_text(
        visitor.get(bank)
    )
    failed = visitor.post(bank, data={"answer": "fail"})
    assert failed.headers["Location"].startswith(path(session))
    back = visitor.get(failed.headers["Location"])
    assert "We could not confirm that it is you." in page_text(back)
    assert value(back, "email") == "ada@example.com"
    again = fill(visitor, session, number="4000002760003184").headers["Location"]
    assert again == bank
    done = visitor.post(bank, data={"answer": "complete"})
    assert done.headers["Location"] == SUCCESS.replace("{CHECKOUT_SESSION_ID}", session.id)
    assert "needs nothing more" in page_text(visitor.get(bank))
    assert "needs nothing more" in page_text(visitor.post(bank, data={"answer": "complete"}))
    assert shop.client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_three_d_secure_before_a_trial(shop, visitor):
    session = shop.session(shop.price(), subscription_data={"trial_period_days": 14})
    bank = fill(visitor, session, number="4000002500003155").headers["Location"]
    assert "saving this card" in page_text(visitor.get(bank))
    failed = visitor.post(bank, data={"answer": "fail"})
    assert "We could not confirm" in page_text(visitor.get(failed.headers["Location"]))
    bank = fill(visitor, session, number="4000002500003155").headers["Location"]
    assert (
        "shop.example/done" in visitor.post(bank, data={"answer": "complete"}).headers["Location"]
    )


@pytest.mark.parametrize(("answer", "status"), [("complete", "succeeded"), ("fail", "failed")])
def test_three_d_secure_of_a_payment_without_a_session(shop, visitor, answer, status):
    intent = shop.client.v1.payment_intents.create(
        {
            "amount": 1500,
            "currency": "usd",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "return_url": "https://shop.example/back?order=7",
        }
    )
    done = visitor.post(f"/pages/3ds/{intent.id}", data={"answer": answer})
    target = done.headers["Location"]
    assert target.startswith("https://shop.example/back?order=7&payment_intent=pi_")
    assert target.endswith(f"redirect_status={status}")


def test_an_expired_page_says_so(shop, visitor):
    session = shop.session(shop.price(), cancel_url="https://shop.example/cart")
    shop.later(1)
    for answer in (visitor.get(path(session)), fill(visitor, session)):
        assert "This page has expired" in page_text(answer)
        assert 'href="https://shop.example/cart"' in answer.text


def test_a_known_email_is_not_asked_for(shop, visitor):
    session = shop.session(shop.price(), customer_email="known@example.com")
    page = visitor.get(path(session))
    assert "E-mail known@example.com" in page_text(page)
    assert 'name="email"' not in page.text
    assert fill(visitor, session, email="").status_code == 303
    done = shop.client.v1.checkout.sessions.retrieve(session.id)
    assert done.customer_details.email == "known@example.com"


def test_nothing_to_pay_asks_for_no_card(shop, visitor):
    session = shop.session(
        shop.price(),
        payment_method_collection="if_required",
        subscription_data={"trial_period_days": 14},
    )
    page = visitor.get(path(session))
    assert 'name="number"' not in page.text
    assert visitor.post(path(session), data={"email": "ada@example.com"}).status_code == 303


def test_quantities_can_be_chosen_within_limits(shop, visitor):
    price = shop.price(1200)
    limits = {"enabled": True, "minimum": 2, "maximum": 10}
    session = shop.session(
        price, line_items=[{"price": price, "quantity": 3, "adjustable_quantity": limits}]
    )
    page = visitor.get(path(session))
    field = re.findall(r'name="(quantity-li_[^"]+)"', page.text)[0]
    assert value(page, field) == "3"
    for typed, total in (("5", "$60.00"), ("99", "$120.00"), ("0", "$24.00"), ("x", "$24.00")):
        answer = visitor.post(path(session), data={**GOOD, field: typed, "update": "1"})
        assert answer.status_code == 200
        assert f"Total due today {total}" in page_text(answer)
        assert value(answer, "name") == "Ada Lovelace"
    changed = fill(visitor, session, **{field: "4"})
    assert "Total due today $48.00" in page_text(changed)  # shown before it is charged
    assert fill(visitor, session, **{field: "4"}).status_code == 303
    subscription = shop.client.v1.subscriptions.list().data[0]
    assert subscription["items"].data[0].quantity == 4
    assert shop.client.v1.invoices.list().data[0].amount_paid == 4800
