"""Automatic tax is equal on sessions, subscriptions and invoices."""

from typing import Any

import pytest
import stripe
from werkzeug.test import Client

from sandbox.app import SandboxApplication
from tests.sandbox.refusals import error_of

ON = {"enabled": True}
GERMANY, CALIFORNIA = {"country": "DE"}, {"country": "US", "state": "CA"}
FRANCE = {"country": "FR"}


def resident(shop, address, card="pm_card_visa", **params):
    customer = shop.customer(card)
    shop.client.v1.customers.update(customer, {"address": address, **params})
    return customer


def finished(shop, session):
    return shop.client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["invoice", "subscription", "customer"]}
    )


@pytest.mark.parametrize(
    ("address", "behavior", "total", "tax", "net"),
    [
        (GERMANY, "exclusive", 1190, 190, 1000),
        (GERMANY, "unspecified", 1190, 190, 1000),
        (GERMANY, "inclusive", 1000, 160, 840),
        (CALIFORNIA, "exclusive", 1073, 73, 1000),
        ({"country": "US", "postal_code": "10001"}, "exclusive", 1000, 0, 1000),
        (FRANCE, "exclusive", 1000, 0, 1000),
    ],
)
def test_a_new_buyer_gives_an_address_for_taxes(shop, address, behavior, total, tax, net):
    price = shop.price(tax_behavior=behavior)
    session = shop.session(price, automatic_tax=ON, tax_id_collection=ON)
    assert session.automatic_tax.status == "requires_location_inputs"
    assert session.tax_id_collection.enabled is True
    assert (session.amount_total, session.total_details.amount_tax) == (1000, 0)
    assert shop.pay(session, address=address).status == "complete"
    done = finished(shop, session)
    assert (done.amount_subtotal, done.amount_total, done.total_details.amount_tax) == (
        1000, total, tax,
    )  # fmt: skip
    assert done.automatic_tax.status == "complete"
    assert done.customer_details.address.country == address["country"]
    assert done.customer.address.country == address["country"]
    assert done.subscription.automatic_tax.enabled is True
    invoice = done.invoice
    assert (invoice.total, invoice.amount_paid, invoice.total_excluding_tax) == (total, total, net)
    assert (invoice.automatic_tax.status, invoice.automatic_tax.provider) == ("complete", "stripe")
    assert sum(each.amount for each in invoice.total_taxes) == tax
    (line,) = invoice.lines.data
    assert (line.amount, sum(each.amount for each in line.taxes)) == (1000, tax)
    for each in line.taxes:
        assert each.taxable_amount == net
        assert each.tax_behavior == ("inclusive" if behavior == "inclusive" else "exclusive")
        rate = shop.client.v1.tax_rates.retrieve(each.tax_rate_details.tax_rate)
        assert (rate.country, rate.inclusive) == (address["country"], behavior == "inclusive")
    shop.later(31)
    shop.later(seconds=7200)
    renewed = shop.subscription(done.subscription.id, "latest_invoice").latest_invoice
    assert (renewed.billing_reason, renewed.total) == ("subscription_cycle", total)


def test_lines_are_taxed_after_discounts_and_sessions_equal_their_invoices(shop):
    coupon = shop.client.v1.coupons.create({"percent_off": 33, "duration": "forever"})
    monthly, once = shop.price(999), shop.price(1001, None)
    inclusive = shop.price(777, None, tax_behavior="inclusive")
    lines = [{"price": once, "quantity": 1}, {"price": inclusive, "quantity": 3},
             {"price": monthly, "quantity": 1}]  # fmt: skip
    session = shop.session(
        "", line_items=lines, automatic_tax=ON, discounts=[{"coupon": coupon.id}]
    )
    assert shop.pay(session, address=GERMANY).status == "complete"
    done = finished(shop, session)
    invoice = done.invoice
    assert done.amount_total == invoice.total == invoice.amount_paid
    assert done.amount_subtotal == invoice.subtotal == 999 + 1001 + 3 * 777
    off = sum(each.amount for each in invoice.total_discount_amounts)
    tax = sum(each.amount for each in invoice.total_taxes)
    assert (off, tax) == (done.total_details.amount_discount, done.total_details.amount_tax)
    exclusive = sum(e.amount for e in invoice.total_taxes if e.tax_behavior == "exclusive")
    assert invoice.total == invoice.subtotal - off + exclusive
    assert invoice.total_excluding_tax == invoice.total - tax


def test_saved_customers(shop):
    price, nowhere = shop.price(1000, None), shop.customer()
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.session(price, "payment", customer=nowhere, automatic_tax=ON)
    assert (raised.value.code, raised.value.param) == (
        "customer_tax_location_invalid", "automatic_tax",
    )  # fmt: skip
    session = shop.session(
        price, "payment", customer=nowhere, automatic_tax=ON, customer_update={"address": "auto"}
    )
    assert shop.pay(session, address=GERMANY).status == "complete"
    assert finished(shop, session).customer.address.country == "DE"
    again = shop.session(price, "payment", customer=nowhere, automatic_tax=ON)
    assert (again.amount_total, again.automatic_tax.status) == (1190, "complete")
    exempt = resident(shop, GERMANY, tax_exempt="reverse")
    free = shop.session(price, "payment", customer=exempt, automatic_tax=ON)
    assert (free.amount_total, free.total_details.amount_tax) == (1000, 0)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.session(price, "payment", customer=exempt, tax_id_collection=ON)
    assert error_of(raised).param == "customer_update[name]"
    with pytest.raises(stripe.InvalidRequestError, match="`setup` mode"):
        shop.session("", "setup", line_items=None, currency="usd", automatic_tax=ON)


def test_an_address_may_be_asked_for_without_taxes(shop):
    session = shop.session(
        shop.price(1000, None), "payment", billing_address_collection="required",
        customer_creation="always",
    )  # fmt: skip
    assert shop.pay(session).status == "complete"
    done = finished(shop, session)
    assert (done.amount_total, done.customer_details.address.postal_code) == (1000, "10001")
    assert done.customer.address.state == "NY"


def test_subscriptions_by_the_api_their_prorations_and_lost_addresses(shop):
    v1, customer = shop.client.v1, resident(shop, GERMANY)
    sent: Any = {"items": [{"price": shop.price(3000)}], "automatic_tax": ON}
    poor = shop.customer("pm_card_visa")
    untaxed = v1.subscriptions.create({"items": sent["items"], "customer": poor})
    for refused in (
        lambda: v1.subscriptions.create({**sent, "customer": poor}),
        lambda: v1.subscriptions.update(untaxed.id, {"automatic_tax": {"enabled": True}}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            refused()
        assert raised.value.code == "customer_tax_location_invalid"
    subscription = v1.subscriptions.create({**sent, "customer": customer})
    assert subscription.automatic_tax.liability.type == "self"
    (item,) = subscription["items"].data
    shop.until((item.current_period_start + item.current_period_end) // 2)
    changed = v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": item.id, "price": shop.price(6000)}],
         "proration_behavior": "always_invoice", "expand": ["latest_invoice"]},
    )  # fmt: skip
    invoice = changed.latest_invoice
    assert [
        (line.amount, sum(tax.amount for tax in line.taxes)) for line in invoice.lines.data
    ] == [(-1500, -285), (3000, 570)]
    assert (invoice.subtotal, invoice.total) == (1500, 1785)
    v1.customers.update(customer, {"address": ""})
    shop.until(item.current_period_end + 3600)
    renewed = shop.subscription(subscription.id, "latest_invoice").latest_invoice
    assert (renewed.total, renewed.automatic_tax.enabled) == (6000, False)
    assert renewed.automatic_tax.disabled_reason == "finalization_requires_location_inputs"


def test_invoices_by_hand_and_their_credit_notes(shop):
    v1, customer = shop.client.v1, shop.customer("pm_card_visa")
    v1.invoice_items.create({"customer": customer, "amount": 1000, "currency": "usd"})
    invoice = v1.invoices.create(
        {"customer": customer, "automatic_tax": {"enabled": True},
         "pending_invoice_items_behavior": "include"}
    )  # fmt: skip
    assert (invoice.automatic_tax.status, invoice.total) == ("requires_location_inputs", 1000)
    with pytest.raises(stripe.InvalidRequestError, match="location isn't recognized"):
        v1.invoices.finalize_invoice(invoice.id)
    v1.customers.update(customer, {"address": {"country": "DE"}})
    assert v1.invoices.update(invoice.id, {"automatic_tax": {"enabled": False}}).total == 1000
    assert v1.invoices.update(invoice.id, {"automatic_tax": {"enabled": True}}).total == 1190
    opened = v1.invoices.finalize_invoice(invoice.id)
    line = opened.lines.data[0]
    half = v1.credit_notes.create(
        {"invoice": invoice.id,
         "lines": [{"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 500}]}
    )  # fmt: skip
    assert (half.subtotal, half.total, half.total_taxes[0].amount) == (500, 595, 95)
    assert half.total_excluding_tax == 500
    rest = v1.credit_notes.create({"invoice": invoice.id, "amount": 595})
    assert (rest.subtotal, rest.total, rest.total_taxes[0].amount) == (500, 595, 95)
    assert v1.invoices.retrieve(invoice.id).status == "paid"


def test_the_page_asks_shows_and_waits_for_consent(shop):
    session = shop.session(shop.price(1000, None), "payment", automatic_tax=ON)
    browser, url = Client(SandboxApplication(shop.world)), f"/pages/checkout/{session.id}"
    assert "Depends on your address" in browser.get(url).text
    card = {"email": "ada@example.com", "number": "4242424242424242", "expiry": "12 / 34",
            "cvc": "123", "name": "Ada"}  # fmt: skip
    missing = browser.post(url, data=card)
    assert (missing.status_code, "Enter your address." in missing.text) == (422, True)
    response = browser.post(url, data={**card, "country": "DE"})
    assert "look at the total" in response.text
    assert "$11.90" in response.text
    assert finished(shop, session).status == "open"
    assert browser.post(url, data={**card, "country": "DE"}).status_code == 303
    assert finished(shop, session).amount_total == 1190
    other = shop.session(shop.price(1000, None), "payment", automatic_tax=ON)
    url = f"/pages/checkout/{other.id}"
    http_response = browser.post(url, data={"country": "US", "state": "CA", "locate": "1"})
    assert "$0.73" in http_response.text
    vague = browser.post(url, data={"country": "US", "locate": "1"})
    assert (vague.status_code, "ZIP code" in vague.text) == (422, True)


def test_previews_show_what_will_be_taxed(shop):
    v1, customer = shop.client.v1, shop.customer("pm_card_visa")
    sent: Any = {"customer": customer, "automatic_tax": ON,
                 "subscription_details": {"items": [{"price": shop.price(3000)}]}}  # fmt: skip
    unknown = v1.invoices.create_preview(sent)
    assert (unknown.total, unknown.automatic_tax.status) == (3000, "requires_location_inputs")
    supposed = v1.invoices.create_preview({**sent, "customer_details": {"address": GERMANY}})
    assert (supposed.total, supposed.automatic_tax.status) == (3570, "complete")
    assert v1.customers.retrieve(customer).address is None
    v1.customers.update(customer, {"address": GERMANY})
    preview = v1.invoices.create_preview(sent)
    subscription = v1.subscriptions.create(
        {"customer": customer, "automatic_tax": ON, "expand": ["latest_invoice"],
         "items": sent["subscription_details"]["items"]}
    )  # fmt: skip
    assert preview.total == subscription.latest_invoice.total == 3570
    (item,) = subscription["items"].data
    shop.later(10)
    change: Any = {
        "items": [{"id": item.id, "quantity": 3}],
        "proration_behavior": "always_invoice",
        "proration_date": shop.world.clock.now(),
    }
    preview = v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": change}
    )
    changed = v1.subscriptions.update(subscription.id, {**change, "expand": ["latest_invoice"]})
    assert preview.total == changed.latest_invoice.total
    assert sum(each.amount for each in preview.total_taxes) == sum(
        each.amount for each in changed.latest_invoice.total_taxes
    )
