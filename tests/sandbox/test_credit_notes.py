"""Credit notes reduce open invoices and give back money of paid ones."""

import re
from typing import Any

import pytest
import stripe
from werkzeug.test import Client

from sandbox.app import SandboxApplication
from tests.sandbox.refusals import error_of


def invoiced(shop, amounts=(1000, 500), card="pm_card_visa", **params):
    """An open invoice with a line for each amount."""
    v1, customer = shop.client.v1, shop.customer(card)
    for amount in amounts:
        v1.invoice_items.create({"customer": customer, "amount": amount, "currency": "usd"})
    invoice = v1.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include", **params}
    )
    new_invoice = v1.invoices.finalize_invoice(invoice.id)
    shop.news()
    return new_invoice


def issue(shop, invoice, **params):
    return shop.client.v1.credit_notes.create({"invoice": invoice.id, **params})


def read_invoice(shop, invoice):
    return shop.client.v1.invoices.retrieve(invoice.id)


def test_an_open_invoice_costs_less_and_more_again_when_it_is_voided(shop):
    invoice = invoiced(shop)
    note = issue(shop, invoice, amount=400, reason="order_change", memo="Sorry")
    assert shop.news() == ["credit_note.created", "invoice.updated"]
    assert (note.id[:3], note.number) == ("cn_", f"{invoice.number}-CN-01")
    assert (note.type, note.status, note.total) == ("pre_payment", "issued", 400)
    assert (note.pre_payment_amount, note.post_payment_amount) == (400, 0)
    assert note.refunds == []
    less = read_invoice(shop, invoice)
    assert (less.total, less.amount_due, less.amount_remaining) == (1500, 1100, 1100)
    assert less.pre_payment_credit_notes_amount == 400
    voided = shop.client.v1.credit_notes.void_credit_note(note.id)
    assert (voided.status, voided.voided_at is not None) == ("void", True)
    assert shop.news() == ["invoice.updated", "credit_note.voided"]
    assert read_invoice(shop, invoice).amount_remaining == 1500
    issue(shop, invoice, amount=300)
    paid = shop.client.v1.invoices.pay(invoice.id)
    assert (paid.status, paid.amount_paid) == ("paid", 1200)
    listed = shop.client.v1.credit_notes.list({"invoice": invoice.id}).data
    assert [(each.total, each.status) for each in listed] == [(300, "issued"), (400, "void")]
    updated = shop.client.v1.credit_notes.update(note.id, {"memo": "Again"})
    assert updated.memo == "Again"
    assert shop.news()[-1] == "credit_note.updated"


def test_an_open_invoice_that_is_credited_whole_is_paid(shop):
    invoice = invoiced(shop)
    issue(shop, invoice, amount=1500)
    done = read_invoice(shop, invoice)
    assert (done.status, done.amount_paid, done.amount_remaining) == ("paid", 0, 0)
    assert shop.news() == [
        "credit_note.created", "invoice.updated", "payment_intent.canceled", "invoice.updated",
        "invoice.paid", "invoice.payment_succeeded",
    ]  # fmt: skip


def test_a_paid_invoice_gives_back_in_three_ways(shop):
    invoice = invoiced(shop)
    shop.client.v1.invoices.pay(invoice.id)
    shop.news()
    note = issue(
        shop, invoice, amount=1000, refund_amount=600, credit_amount=300, out_of_band_amount=100
    )
    assert shop.news() == [
        "refund.created", "charge.refunded", "refund.updated", "charge.refund.updated",
        "customer.updated", "credit_note.created", "invoice.updated",
    ]  # fmt: skip
    assert (note.type, note.post_payment_amount, note.out_of_band_amount) == (
        "post_payment", 1000, 100,
    )  # fmt: skip
    (note_refund,) = note.refunds
    assert (note_refund.amount_refunded, note_refund.type) == (600, "refund")
    assert shop.client.v1.refunds.retrieve(note_refund.refund).amount == 600
    customer = shop.client.v1.customers.retrieve(invoice.customer)
    assert customer.balance == -300
    (entry,) = shop.client.v1.customers.balance_transactions.list(invoice.customer).data
    assert (entry.type, entry.amount, entry.ending_balance) == ("credit_note", -300, -300)
    assert (entry.id, entry.credit_note) == (note.customer_balance_transaction, note.id)
    done = read_invoice(shop, invoice)
    assert (done.status, done.amount_paid, done.post_payment_credit_notes_amount) == (
        "paid", 1500, 1000,
    )  # fmt: skip
    rest = shop.client.v1.refunds.create(
        {"payment_intent": shop.client.v1.charges.list().data[0].payment_intent, "amount": 500}
    )
    linked = issue(shop, invoice, amount=500, refunds=[{"refund": rest.id}])
    assert [each.amount_refunded for each in linked.refunds] == [500]
    with pytest.raises(stripe.InvalidRequestError, match="0 usd are left"):
        issue(shop, invoice, amount=1, out_of_band_amount=1)


def test_the_balance_pays_later_invoices_entry_by_entry(shop):
    invoice = invoiced(shop)
    shop.client.v1.invoices.pay(invoice.id)
    issue(shop, invoice, amount=700, credit_amount=700)
    v1, customer = shop.client.v1, invoice.customer
    v1.customers.balance_transactions.create(
        customer, {"amount": -100, "currency": "usd", "description": "A gift"}
    )
    v1.invoice_items.create({"customer": customer, "amount": 900, "currency": "usd"})
    following = v1.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include"}
    )
    paid = v1.invoices.pay(following.id)
    assert (paid.amount_due, paid.starting_balance, paid.ending_balance) == (100, -800, 0)
    entries = v1.customers.balance_transactions.list(customer).data
    assert [(entry.type, entry.amount, entry.ending_balance) for entry in entries] == [
        ("applied_to_invoice", 800, 0), ("adjustment", -100, -800), ("credit_note", -700, -700),
    ]  # fmt: skip


def test_lines_carry_their_discounts(shop):
    coupon = shop.client.v1.coupons.create({"percent_off": 10, "duration": "forever"})
    invoice = invoiced(shop, (1000, 505), discounts=[{"coupon": coupon.id}])
    assert (invoice.subtotal, invoice.total) == (1505, 1354)  # 150.5 is rounded up
    first, second = invoice.lines.data
    note_lines: list[Any] = [
        {"type": "invoice_line_item", "invoice_line_item": first.id, "amount": 500},
        {"type": "invoice_line_item", "invoice_line_item": second.id, "quantity": 1},
        {"type": "custom_line_item", "description": "A gift", "quantity": 3, "unit_amount": 7},
    ]
    preview = shop.client.v1.credit_notes.preview({"invoice": invoice.id, "lines": note_lines})
    assert shop.client.v1.credit_notes.list().data == []
    note = issue(shop, invoice, lines=note_lines)
    for each in (preview, note):
        assert [(line.amount, line.discount_amount) for line in each.lines.data] == [
            (500, 50), (505, 51), (21, 0),
        ]  # fmt: skip
        assert (each.subtotal, each.discount_amount, each.total) == (1026, 101, 925)
    assert len(shop.client.v1.credit_notes.line_items.list(note.id).data) == 3
    assert read_invoice(shop, invoice).amount_remaining == 1354 - 925
    with pytest.raises(stripe.InvalidRequestError, match="between 1 and 500"):
        issue(shop, invoice, lines=[{**note_lines[0], "amount": 501}])


def test_invalid_credit_notes_are_refused(shop):
    invoice = invoiced(shop)
    paid = invoiced(shop)
    shop.client.v1.invoices.pay(paid.id)
    draft = shop.client.v1.invoices.create({"customer": shop.customer(), "currency": "usd"})
    shop.news()
    cases: list[tuple[Any, dict[str, Any], str | None]] = [
        (invoice, {}, None),
        (invoice, {"amount": 0}, "amount"),
        (invoice, {"amount": 1501}, "amount"),
        (invoice, {"amount": 100, "refund_amount": 100}, None),
        (invoice, {"amount": 100, "lines": [{"type": "custom_line_item"}]}, None),
        (invoice, {"lines": [{"type": "custom_line_item"}]}, "lines[0][description]"),
        (invoice, {"lines": [{"type": "invoice_line_item", "invoice_line_item": "il_no",
                              "amount": 5}]}, "lines[0][invoice_line_item]"),
        (paid, {"amount": 100}, None),
        (paid, {"amount": 100, "refund_amount": 60, "credit_amount": 60}, None),
        (paid, {"amount": 100, "refund_amount": 160, "credit_amount": -60}, None),
        (draft, {"amount": 100}, "invoice"),
    ]  # fmt: skip
    for target, params, param in cases:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            issue(shop, target, **params)
        assert error_of(raised).param == param, params
    assert shop.news() == []
    note = issue(shop, paid, amount=100, out_of_band_amount=100)
    with pytest.raises(stripe.InvalidRequestError, match="only void"):
        shop.client.v1.credit_notes.void_credit_note(note.id)


def test_the_invoice_page_adds_up_for_the_reader(shop):
    coupon = shop.client.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    invoice = invoiced(shop, (1000,), discounts=[{"coupon": coupon.id}])
    issue(shop, invoice, amount=200)
    page = Client(SandboxApplication(shop.world)).get(f"/pages/invoices/{invoice.id}").text
    rows = re.findall(r'scope="row">([A-Z][a-z ]+)</th><td class="number">([^<]+)<', page)
    assert rows == [
        ("Subtotal", "$10.00"), ("Discount", "−$5.00"), ("Total", "$5.00"),
        ("Credit notes", "−$2.00"), ("Paid", "$0.00"), ("Due", "$3.00"),
    ]  # fmt: skip
