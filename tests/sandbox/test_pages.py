"""Hosted pages show, charge and refuse as Stripe's do, through a WSGI client."""

import re

import pytest

from sandbox.pages.offered_cards import OFFERED
from tests.sandbox.page_forms import fill, page_text, path
from tests.sandbox.shop import DAY, NOW, SUCCESS


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
def test_the_page_explains_a_trial(shop, visitor, params, phrases):
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


def test_a_paid_page_returns_to_the_shop(shop, visitor):
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
def test_missing_pages_are_not_found(visitor, address):
    answer = visitor.get(address)
    assert answer.status_code == 404
    assert "There is nothing here" in page_text(answer)


def test_other_http_methods_are_refused(shop, visitor):
    answer = visitor.delete(path(shop.session(shop.price())))
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_a_purchase_that_became_impossible_shows_the_reason(shop, visitor):
    customer = shop.customer()
    session = shop.session(shop.price(), customer=customer)
    shop.client.v1.customers.delete(customer)
    answer = fill(visitor, session)
    assert answer.status_code == 400
    assert "This cannot be completed No such customer" in page_text(answer)
    assert shop.client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_an_amount_above_the_limit_is_refused(shop, visitor):
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
