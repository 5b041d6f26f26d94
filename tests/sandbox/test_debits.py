"""Bank debits are processing for days, then succeed or are returned."""

from typing import Any

import pytest
import stripe
from werkzeug.test import Client

from sandbox.app import SandboxApplication
from sandbox.billing.billing_periods import HOUR
from sandbox.errors import StripeFailure
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW

ACH, RETURNED = "pm_usBankAccount_success", "pm_usBankAccount_insufficientFunds"


def intend(shop, method=ACH, **params):
    sent = {"amount": 1000, "currency": "usd", "payment_method": method, "confirm": True,
            "return_url": "https://example.com", **params}  # fmt: skip
    return shop.client.v1.payment_intents.create(sent)


def session_of(shop, session, *expand):
    return shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": list(expand)})


def test_a_payment_intent_is_processing_until_the_bank_answers(shop):
    intent = intend(shop, expand=["latest_charge", "payment_method"])
    assert (intent.status, intent.amount_received) == ("processing", 0)
    assert (intent.latest_charge.status, intent.latest_charge.paid) == ("pending", False)
    assert intent.latest_charge.payment_method_details.us_bank_account.last4 == "6789"
    assert intent.payment_method.us_bank_account.bank_name == "STRIPE TEST BANK"
    assert shop.news() == ["payment_intent.created", "payment_intent.processing"]
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        shop.client.v1.refunds.create({"payment_intent": intent.id})
    shop.until(NOW + 4 * DAY - 1)
    assert shop.news() == []
    shop.later(seconds=1)
    assert shop.news() == ["charge.succeeded", "payment_intent.succeeded"]
    done = shop.client.v1.payment_intents.retrieve(intent.id)
    assert (done.status, done.amount_received) == ("succeeded", 1000)
    refund = shop.client.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, refund.destination_details.type) == ("pending", "us_bank_transfer")
    shop.later(1)
    assert shop.client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_returned_debits_say_why_and_can_be_paid_otherwise(shop):
    for token, code, currency in [
        (RETURNED, "insufficient_funds", "usd"),
        ("pm_usBankAccount_accountClosed", "account_closed", "usd"),
        ("pm_usBankAccount_debitNotAuthorized", "debit_not_authorized", "usd"),
        ("pm_sepaDebit_failed", "insufficient_funds", "eur"),
    ]:
        intent = intend(shop, token, currency=currency)
        shop.news()
        shop.later(5)
        assert shop.news() == ["charge.failed", "payment_intent.payment_failed"]
        failed = shop.client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
        assert (failed.status, failed.last_payment_error.code) == ("requires_payment_method", code)
        assert (failed.latest_charge.status, failed.latest_charge.failure_code) == ("failed", code)
        again = shop.client.v1.payment_intents.confirm(
            intent.id, {"payment_method": "pm_card_visa", "return_url": "https://example.com"}
        )
        assert again.status == "succeeded"


def test_accounts_that_never_answer_dispute_or_are_canceled(shop):
    stuck = intend(shop, "pm_usBankAccount_processing")
    canceled = intend(shop)
    disputed = intend(shop, "pm_usBankAccount_dispute")
    shop.client.v1.payment_intents.cancel(canceled.id)
    shop.later(30)
    statuses = [
        shop.client.v1.payment_intents.retrieve(each.id).status
        for each in (stuck, canceled, disputed)
    ]
    assert statuses == ["processing", "canceled", "succeeded"]
    (dispute,) = shop.client.v1.disputes.list({"payment_intent": disputed.id}).data
    assert dispute.payment_method_details.type == "us_bank_account"


def test_typed_bank_accounts_are_checked(shop):
    v1 = shop.client.v1
    iban = {"type": "sepa_debit", "sepa_debit": {"iban": "AT32 1904 3002 3547 3204"},
            "billing_details": {"name": "Ada", "email": "ada@example.com"}}  # fmt: skip
    method = v1.payment_methods.create(iban)
    assert (method.sepa_debit.country, method.sepa_debit.last4) == ("AT", "3204")
    customer = shop.customer()
    v1.payment_methods.attach(method.id, {"customer": customer})
    assert len(v1.payment_methods.list({"customer": customer, "type": "sepa_debit"}).data) == 1
    account = {"account_number": "000123456789", "routing_number": "110000000"}
    holder = {"billing_details": {"name": "Ada"}}
    for params, param in [
        ({"type": "sepa_debit", "sepa_debit": {"iban": "DE00"}, **holder}, "sepa_debit[iban]"),
        ({"type": "us_bank_account", "us_bank_account": account}, "billing_details[name]"),
        ({"type": "us_bank_account", **holder}, "us_bank_account"),
        ({"type": "us_bank_account", **holder,
          "us_bank_account": {**account, "routing_number": "1"}},
         "us_bank_account[routing_number]"),
        ({"type": "klarna"}, "type"),
    ]:  # fmt: skip
        with pytest.raises(stripe.InvalidRequestError) as raised:
            v1.payment_methods.create(params)
        assert error_of(raised).param == param
    refused: list[tuple[dict[str, Any], str]] = [
        ({"currency": "eur"}, "payment_method"),
        ({"capture_method": "manual"}, "capture_method"),
        ({"allowed_payment_method_types": ["card"]}, "payment_method"),
        ({"excluded_payment_method_types": ["us_bank_account"]}, "payment_method"),
    ]
    for changes, param in refused:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            intend(shop, **changes)
        assert error_of(raised).param == param
    with pytest.raises(StripeFailure, match="does not take payment methods of type"):
        shop.pay(shop.session(shop.price(1000, None), "payment"), "pm_sepaDebit_success")


@pytest.mark.parametrize(
    ("card", "status", "events"),
    [
        ("pm_sepaDebit_success", "paid",
         ["charge.succeeded", "payment_intent.succeeded",
          "checkout.session.async_payment_succeeded"]),
        ("pm_sepaDebit_failed", "unpaid",
         ["charge.failed", "payment_intent.payment_failed",
          "checkout.session.async_payment_failed"]),
    ],
)  # fmt: skip
def test_a_debit_session_completes_unpaid_and_is_paid_later(shop, card, status, events):
    session = shop.session(shop.price(1000, None, currency="eur"), "payment")
    assert session.payment_method_types == ["card", "sepa_debit"]
    shop.news()
    assert shop.pay(session, card).status == "complete"
    assert shop.news() == [
        "payment_intent.created", "payment_intent.processing", "checkout.session.completed"
    ]  # fmt: skip
    done = session_of(shop, session)
    assert (done.status, done.payment_status) == ("complete", "unpaid")
    shop.later(5)
    assert shop.news() == events
    assert session_of(shop, session).payment_status == status


def test_a_subscription_starts_at_once_and_a_returned_debit_voids_its_invoice(shop):
    for card, status in [(ACH, "paid"), (RETURNED, "void")]:
        session = shop.session(shop.price())
        shop.news()
        assert shop.pay(session, card).status == "complete"
        assert shop.news() == [
            "payment_method.attached", "customer.created", "customer.updated",
            "checkout.session.completed", "customer.subscription.created",
            "payment_intent.created", "payment_intent.processing", "invoice.created",
            "invoice.finalized",
        ]  # fmt: skip
        done = session_of(shop, session, "subscription", "invoice")
        assert (done.payment_status, done.subscription.status) == ("unpaid", "active")
        assert (done.invoice.status, done.invoice.attempted) == ("open", True)
        with pytest.raises(stripe.InvalidRequestError, match="is processing"):
            shop.client.v1.invoices.pay(done.invoice.id)
        shop.later(4)
        news = shop.news()
        if status == "paid":
            assert news == [
                "charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid",
                "invoice.payment_succeeded", "invoice_payment.paid",
                "checkout.session.async_payment_succeeded",
            ]  # fmt: skip
        else:
            assert news == [
                "charge.failed", "payment_intent.payment_failed", "invoice.payment_failed",
                "payment_intent.canceled", "invoice.updated", "invoice.voided",
                "checkout.session.async_payment_failed",
            ]  # fmt: skip
        done = session_of(shop, session, "subscription", "invoice")
        assert (done.subscription.status, done.invoice.status) == ("active", status)


def test_the_api_starts_a_subscription_with_a_debit_too(shop):
    customer = shop.customer(ACH)
    subscription = shop.client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": shop.price()}],
         "payment_behavior": "error_if_incomplete", "expand": ["latest_invoice"]}
    )  # fmt: skip
    assert (subscription.status, subscription.latest_invoice.status) == ("active", "open")
    shop.later(4)
    assert shop.subscription(subscription.id, "latest_invoice").latest_invoice.status == "paid"
    item = subscription["items"].data[0]
    dearer = shop.client.v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": item.id, "quantity": 2}], "proration_behavior": "always_invoice"},
    )
    assert dearer.status == "active"


def test_a_renewal_whose_debit_is_returned_is_owed_and_tried_again(shop):
    customer = shop.customer(ACH)
    subscription = shop.client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": shop.price()}]}
    )
    method = shop.client.v1.payment_methods.attach(RETURNED, {"customer": customer})
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    shop.until(subscription["items"].data[0].current_period_end + HOUR)
    invoice = shop.subscription(subscription.id, "latest_invoice").latest_invoice
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert invoice.next_payment_attempt is None
    shop.later(4)
    renewed = shop.subscription(subscription.id, "latest_invoice")
    assert (renewed.status, renewed.latest_invoice.attempt_count) == ("past_due", 1)
    assert renewed.latest_invoice.next_payment_attempt == shop.world.clock.now() + 3 * DAY
    shop.client.v1.subscriptions.update(
        subscription.id,
        {"default_payment_method": shop.client.v1.payment_methods.attach(
            "pm_card_visa", {"customer": customer}).id},
    )  # fmt: skip
    shop.later(3)
    renewed = shop.subscription(subscription.id, "latest_invoice")
    assert (renewed.status, renewed.latest_invoice.status) == ("active", "paid")


def test_the_page_offers_accounts_of_the_currency(shop):
    session = shop.session(shop.price(1000, None), "payment")
    browser, url = Client(SandboxApplication(shop.world)), f"/pages/checkout/{session.id}"
    page = browser.get(url).text
    assert "Debit this account" in page
    assert "pm_usBankAccount_success" in page
    assert "sepa" not in page
    sent = {"debit": "1", "email": "ada@example.com", "holder": "Ada", "account": ACH}
    for changes, words in [
        ({"holder": ""}, "holder"),
        ({"account": "pm_sepaDebit_success"}, "Choose an account"),
        ({"email": "x"}, "e-mail"),
    ]:
        refused = browser.post(url, data=sent | changes)
        assert (refused.status_code, words in refused.text) == (422, True)
    assert browser.post(url, data=sent).status_code == 303
    done = session_of(shop, session)
    assert (done.status, done.payment_status, done.customer_details.name) == (
        "complete", "unpaid", "Ada",
    )  # fmt: skip
    only = shop.session(
        shop.price(1000, None), "payment", allowed_payment_method_types=["us_bank_account"]
    )
    page = browser.get(f"/pages/checkout/{only.id}").text
    assert "Card number" not in page
    assert "Debit this account" in page
