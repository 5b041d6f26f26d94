"""Invoices are drafted, finalized, paid, voided and written off over the API."""

import pytest
import stripe

from sandbox import forced_declines
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import NOW

RENEWS = 1_802_678_400


@pytest.fixture
def draft(shop):
    """An invoice of $25.00 that waits to be finalized."""
    customer = shop.customer("pm_card_visa")
    shop.client.v1.invoice_items.create(
        {"customer": customer, "amount": 2500, "currency": "usd", "description": "Advice"}
    )
    invoice = shop.client.v1.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include"}
    )
    shop.news()
    return invoice


@pytest.fixture
def owed(shop):
    """The open renewal invoice of a subscription that is past due."""
    subscription = shop.subscribe()
    with shop.world.transaction() as tx:
        forced_declines.decline_payments(tx, subscription.customer)
    shop.until(RENEWS + 3600)
    shop.news()
    return shop.client.v1.invoices.list().data[0]


def test_from_draft_to_paid(shop, draft):
    assert (draft.status, draft.total, draft.number) == ("draft", 2500, None)
    assert draft.lines.data[0].description == "Advice"
    opened = shop.client.v1.invoices.finalize_invoice(draft.id)
    assert (opened.status, opened.amount_due) == ("open", 2500)
    assert opened.number.endswith("-0001")
    assert opened.hosted_invoice_url == f"{shop.world.base_url}/pages/invoices/{draft.id}"
    assert shop.news() == ["customer.updated", "invoice.finalized", "payment_intent.created"]
    paid = shop.client.v1.invoices.pay(draft.id)
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 2500, 0)
    assert shop.news() == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
    ]
    for act in (shop.client.v1.invoices.pay, shop.client.v1.invoices.void_invoice):
        with pytest.raises(stripe.InvalidRequestError, match="paid"):
            act(draft.id)


def test_a_draft_that_advances_by_itself(shop, draft):
    shop.client.v1.invoices.update(draft.id, {"auto_advance": True})
    shop.later(seconds=3600)
    assert shop.client.v1.invoices.retrieve(draft.id).status == "paid"


def test_paying_a_draft_finalizes_it(shop, draft):
    assert shop.client.v1.invoices.pay(draft.id).status == "paid"


def test_an_invoice_is_paid_out_of_band(shop, draft):
    shop.client.v1.invoices.finalize_invoice(draft.id)
    shop.news()
    paid = shop.client.v1.invoices.pay(draft.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid) == ("paid", 0)
    assert shop.news() == ["invoice.updated", "invoice.paid"]
    assert shop.client.v1.charges.list().data == []


def test_a_declined_payment_stays_behind(shop, owed):
    with pytest.raises(stripe.CardError) as raised:
        shop.client.v1.invoices.pay(owed.id)
    assert error_of(raised).decline_code == "generic_decline"
    assert shop.news() == [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.payment_failed",
    ]
    after = shop.client.v1.invoices.retrieve(owed.id)
    assert after.attempt_count == owed.attempt_count
    assert after.next_payment_attempt == owed.next_payment_attempt


def test_paying_brings_a_subscription_back(shop, owed):
    with shop.world.transaction() as tx:
        forced_declines.accept_payments(tx, owed.customer)
    shop.client.v1.invoices.pay(owed.id)
    subscription = shop.client.v1.subscriptions.list().data[0]
    assert subscription.status == "active"
    shop.news()
    shop.later(20)
    assert shop.news() == []


def test_an_invoice_is_marked_uncollectible(shop, owed):
    off = shop.client.v1.invoices.mark_uncollectible(owed.id)
    assert off.status == "uncollectible"
    assert off.status_details.uncollectible.reason == "user_forgiven"
    assert shop.news() == [
        "invoice.updated",
        "invoice.marked_uncollectible",
        "customer.subscription.updated",
    ]
    assert shop.client.v1.subscriptions.list().data[0].status == "active"
    with shop.world.transaction() as tx:
        forced_declines.accept_payments(tx, owed.customer)
    assert shop.client.v1.invoices.pay(owed.id).status == "paid"


def test_an_invoice_is_voided(shop, owed):
    void = shop.client.v1.invoices.void_invoice(owed.id)
    assert void.status == "void"
    assert void.status_transitions.voided_at == RENEWS + 3600
    assert shop.news() == [
        "payment_intent.canceled",
        "invoice.updated",
        "invoice.voided",
        "customer.subscription.updated",
    ]
    assert shop.client.v1.subscriptions.list().data[0].status == "active"
    payment = shop.client.v1.invoice_payments.list({"invoice": owed.id}).data[0]
    assert payment.status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="Voided"):
        shop.client.v1.invoices.pay(owed.id)


def test_invoices_are_listed_and_filtered(shop, owed):
    def ids(**params):
        return [each.id for each in shop.client.v1.invoices.list(params).data]

    first = ids(status="paid")[0]
    assert ids() == [owed.id, first]
    assert ids(status="open") == ids(created={"gt": NOW}) == [owed.id]
    subscription = shop.client.v1.subscriptions.list().data[0]
    assert ids(subscription=subscription.id) == [owed.id, first]
    assert ids(customer=shop.customer()) == []


def test_lines_have_their_own_list(shop, draft):
    lines = shop.client.v1.invoices.line_items.list(draft.id).data
    assert [(line.amount, line.invoice) for line in lines] == [(2500, draft.id)]


def test_a_finalized_invoice_cannot_change(shop, draft):
    shop.client.v1.invoices.finalize_invoice(draft.id)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.client.v1.invoices.update(draft.id, {"description": "Other"})
    assert raised.value.code == "invoice_not_editable"
    with pytest.raises(stripe.InvalidRequestError, match="already finalized"):
        shop.client.v1.invoices.finalize_invoice(draft.id)
    with pytest.raises(stripe.InvalidRequestError, match="draft invoices"):
        shop.client.v1.invoice_items.create(
            {"customer": draft.customer, "amount": 1, "currency": "usd", "invoice": draft.id}
        )
    with pytest.raises(stripe.InvalidRequestError, match="delete draft invoices"):
        shop.client.v1.invoices.delete(draft.id)


def test_a_draft_grows_and_is_deleted(shop, draft):
    shop.client.v1.invoice_items.create(
        {"customer": draft.customer, "amount": 500, "currency": "usd", "invoice": draft.id}
    )
    assert shop.client.v1.invoices.retrieve(draft.id).total == 3000
    assert shop.news() == ["invoiceitem.created", "invoice.updated"]
    shop.client.v1.invoices.delete(draft.id)
    assert shop.news() == ["invoice.deleted"]
    assert len(shop.client.v1.invoice_items.list({"pending": True}).data) == 2
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.invoices.pay(draft.id)


def test_an_invoice_without_a_payment_method_cannot_be_paid(shop):
    customer = shop.customer()
    invoice = shop.client.v1.invoices.create({"customer": customer})
    shop.client.v1.invoice_items.create(
        {"customer": customer, "amount": 2500, "currency": "usd", "invoice": invoice.id}
    )
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.client.v1.invoices.pay(invoice.id)
    assert raised.value.code == "invoice_no_customer_payment_method"


def test_amounts_too_small_to_charge_wait_on_the_balance(shop):
    customer = shop.customer("pm_card_visa")
    for amount, due, balance in ((30, 0, 30), (40, 70, 0)):
        invoice = shop.client.v1.invoices.create({"customer": customer})
        shop.client.v1.invoice_items.create(
            {"customer": customer, "amount": amount, "currency": "usd", "invoice": invoice.id}
        )
        assert shop.client.v1.invoices.pay(invoice.id).amount_due == due
        assert shop.client.v1.customers.retrieve(customer).balance == balance


def test_invoice_items_of_prices(shop):
    customer = shop.customer("pm_card_visa")
    once, monthly = shop.price(700, None), shop.price()
    item = shop.client.v1.invoice_items.create(
        {"customer": customer, "pricing": {"price": once}, "quantity": 3}
    )
    assert (item.amount, item.quantity, item.pricing.price_details.price) == (2100, 3, once)
    with pytest.raises(stripe.InvalidRequestError, match="type=one_time"):
        shop.client.v1.invoice_items.create({"customer": customer, "pricing": {"price": monthly}})
    shop.client.v1.invoice_items.delete(item.id)
    assert shop.client.v1.invoice_items.list({"customer": customer}).data == []


def test_the_intent_of_an_invoice_pays_it(shop, draft):
    opened = shop.client.v1.invoices.finalize_invoice(draft.id, {"expand": ["confirmation_secret"]})
    intent = opened.confirmation_secret.client_secret.partition("_secret_")[0]
    confirmed = shop.client.v1.payment_intents.confirm(
        intent, {"return_url": "https://shop.example"}
    )
    assert confirmed.status == "succeeded"
    assert shop.client.v1.invoices.retrieve(draft.id).status == "paid"


def test_a_deleted_customer_is_not_billed(shop, draft):
    shop.client.v1.invoices.update(draft.id, {"auto_advance": True})
    shop.news()
    shop.client.v1.customers.delete(draft.customer)
    assert shop.news() == ["invoice.updated", "customer.deleted"]
    shop.later(10)
    assert shop.news() == []
    assert shop.client.v1.invoices.retrieve(draft.id).status == "draft"


def test_the_intent_of_an_invoice_is_not_canceled_from_outside(shop, owed):
    payment = shop.client.v1.invoice_payments.list({"invoice": owed.id}).data[0]
    with pytest.raises(stripe.InvalidRequestError, match="Void the invoice instead"):
        shop.client.v1.payment_intents.cancel(payment.payment.payment_intent)
