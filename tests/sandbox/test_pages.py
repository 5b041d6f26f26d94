"""Hosted pages show, charge and refuse as Stripe's do, through a WSGI client."""

import re

import pytest

from sandbox.pages.offered_cards import OFFERED
from sandbox.pages.payment_form import PaymentForm
from tests.sandbox.shop import DAY, NOW, SUCCESS

GOOD = {
    "email": "ada@example.com",
    "number": "4242 4242 4242 4242",
    "expiry": "12 / 34",
    "cvc": "123",
    "name": "Ada Lovelace",
}


def path(session) -> str:
    return f"/pages/checkout/{session.id}"


def fill(visitor, session, **changes):
    return visitor.post(path(session), data={**GOOD, **changes})


def page_text(response) -> str:
    """The text of the page, without tags and styles."""
    page = re.sub(r"<style>.*?</style>", "", response.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def value(response, name) -> str:
    """What a field of the form holds."""
    found = re.search(rf'<input id="{name}"[^>]*?value="([^"]*)"', response.text)
    assert found, f"no field {name}"
    return found[1]


def test_the_page_says_what_is_bought_and_what_it_costs(shop, visitor):
    price = shop.price(1200)
    session = shop.session(
        price,
        line_items=[{"price": price, "quantity": 3}],
        cancel_url="https://shop.example/cart",
    )
    page = visitor.get(path(session))
    assert page.status_code == 200
    text = page_text(page)
    for phrase in (
        "Subscribe to Pro $36.00 $36.00 per month",
        "Quantity 3, $12.00 each · Billed monthly",
        "Total due today $36.00",
        "E-mail Card Card number Expiry Security code Name on card Subscribe",
        "By confirming, you allow Sandbox to charge your card for future payments until you",
    ):
        assert phrase in text, phrase
    assert 'href="https://shop.example/cart"' in page.text
    assert all(card.spaced in page.text for card in OFFERED)


def test_every_field_has_its_label(shop, visitor):
    page = visitor.get(path(shop.session(shop.price()))).text
    fields = re.findall(r'<input id="([^"]+)"', page)
    assert fields == ["email", "number", "expiry", "cvc", "name", "holder"]
    assert re.findall(r'<label for="([^"]+)"', page) == [*fields, "account"]


def test_no_script_and_no_other_host(shop, visitor):
    page = visitor.get(path(shop.session(shop.price())))
    assert "<script" not in page.text
    assert re.findall(r'(?:src|href)="(https?://[^"]+)"', page.text) == []
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("params", "phrases"),
    [
        (
            {"subscription_data": {"trial_period_days": 14}},
            ["14 days free Then $10.00 per month, from 29 January 2027", "Total due today $0.00"],
        ),
        ({"subscription_data": {"trial_end": NOW + 3 * DAY}}, ["3 days free", "Start trial"]),
    ],
)
def test_trials(shop, visitor, params, phrases):
    text = page_text(visitor.get(path(shop.session(shop.price(), **params))))
    for phrase in phrases:
        assert phrase in text, phrase


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [(1500, "eur", "€15.00"), (12000, "jpy", "¥12,000"), (2500, "kwd", "KWD 2.500")],
)
def test_amounts_in_their_currency(shop, visitor, amount, currency, shown):
    session = shop.session(shop.price(amount, None, currency=currency), "payment")
    assert f"Pay {shown}" in page_text(visitor.get(path(session)))


def test_names_are_text_not_markup(shop, visitor):
    product = shop.client.v1.products.create({"name": "<b>Pro</b> & more"})
    price = shop.client.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 900}
    )
    page = visitor.get(path(shop.session(price.id, "payment")))
    assert "&lt;b&gt;Pro&lt;/b&gt; &amp; more" in page.text
    assert "<b>Pro</b>" not in page.text


def test_paid_and_back_to_the_shop(shop, visitor):
    session = shop.session(shop.price())
    answer = fill(visitor, session)
    assert answer.status_code == 303
    assert answer.headers["Location"] == SUCCESS.replace("{CHECKOUT_SESSION_ID}", session.id)
    done = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["customer"]})
    assert (done.status, done.payment_status) == ("complete", "paid")
    assert (done.customer.email, done.customer.name) == ("ada@example.com", "Ada Lovelace")
    closed = visitor.get(path(session))
    assert "This order is complete" in page_text(closed)
    assert "all done here" in page_text(fill(visitor, session))
    assert len(shop.client.v1.charges.list().data) == 1


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
def test_mistakes_are_named_beside_their_field(shop, visitor, changes, field, message, status):
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
def test_expiry_as_people_type_it(typed, month, year):
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


def test_three_d_secure(shop, visitor):
    session = shop.session(shop.price())
    asked = fill(visitor, session, number="4000002760003184")
    assert asked.status_code == 303
    bank = asked.headers["Location"]
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


def test_expired(shop, visitor):
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


def test_the_invoice_has_a_page_and_a_pdf(shop, visitor):
    shop.subscribe()
    invoice = shop.client.v1.invoices.list().data[0]
    page = visitor.get(f"/pages/invoices/{invoice.id}")
    assert "1 × Pro (at $10.00 / month)" in page_text(page)
    assert "Due $0.00" in page_text(page)
    file = visitor.get(f"/pages/invoices/{invoice.id}/pdf")
    assert file.content_type == "application/pdf"
    assert file.data.startswith(b"%PDF-1.4")
    assert invoice.number.encode() in file.data
    assert b"startxref" in file.data


def test_a_pdfs_table_names_where_each_object_begins(shop, visitor):
    shop.subscribe()
    invoice = shop.client.v1.invoices.list().data[0]
    data = visitor.get(f"/pages/invoices/{invoice.id}/pdf").data
    places = [int(place) for place in re.findall(rb"(\d{10}) 00000 n", data)]
    assert [data[place : place + 7] for place in places] == [
        b"%d 0 obj" % number for number in range(1, len(places) + 1)
    ]
    start = int(re.findall(rb"startxref\n(\d+)", data)[0])
    assert data[start : start + 4] == b"xref"


def test_drafts_have_no_page(shop, visitor):
    draft = shop.client.v1.invoices.create({"customer": shop.customer()})
    assert visitor.get(f"/pages/invoices/{draft.id}").status_code == 404


@pytest.mark.parametrize(
    "address",
    ["/pages/checkout/cs_test_no", "/pages/3ds/pi_no", "/pages/invoices/in_no", "/pages/other"],
)
def test_what_is_not_there(visitor, address):
    answer = visitor.get(address)
    assert answer.status_code == 404
    assert "There is nothing here" in page_text(answer)


def test_methods_that_a_page_does_not_take(shop, visitor):
    answer = visitor.delete(path(shop.session(shop.price())))
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_a_purchase_that_became_impossible_says_why(shop, visitor):
    customer = shop.customer()
    session = shop.session(shop.price(), customer=customer)
    shop.client.v1.customers.delete(customer)
    answer = fill(visitor, session)
    assert answer.status_code == 400
    assert "This cannot be completed No such customer" in page_text(answer)
    assert shop.client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_too_many_to_charge(shop, visitor):
    price = shop.price(5_000_000)
    limits = {"enabled": True, "minimum": 1, "maximum": 99}
    session = shop.session(
        price, line_items=[{"price": price, "quantity": 1, "adjustable_quantity": limits}]
    )
    item = shop.client.v1.checkout.sessions.line_items.list(session.id).data[0]
    answer = fill(visitor, session, **{f"quantity-{item.id}": "50"})
    assert answer.status_code == 400
    assert "must be no more than $999,999.99" in page_text(answer)
    assert "Total due today $50,000.00" in page_text(visitor.get(path(session)))
