"""Discounts of subscriptions last as long as their coupon says and reduce prorations."""

import pytest
import stripe

from sandbox.errors import StripeFailure
from tests.sandbox.discount_calls import code, coupon, renewals
from tests.sandbox.refusals import error_of


def test_the_whole_sequence_and_shape_of_a_discounted_beginning(shop):
    id = coupon(shop, percent_off=25, duration="forever", max_redemptions=1)
    promo = code(shop, id)
    session = shop.session(shop.price(), allow_promotion_codes=True)
    shop.news()
    assert shop.pay(session, promotion_code="save20").status == "complete"
    assert shop.news() == [
        "charge.succeeded", "payment_method.attached", "customer.created", "customer.updated",
        "checkout.session.completed", "customer.discount.created", "promotion_code.updated",
        "promotion_code.updated", "coupon.updated", "customer.subscription.created",
        "payment_intent.created", "payment_intent.succeeded", "invoice.created",
        "invoice.finalized", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid",
    ]  # fmt: skip
    done = shop.client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["invoice", "discounts.promotion_code"]}
    )
    assert done.discounts[0].promotion_code.code == "SAVE20"
    invoice = done.invoice
    (discount,) = invoice.discounts
    assert [each.to_dict() for each in invoice.total_discount_amounts] == [
        {"amount": 250, "discount": discount}
    ]
    (line,) = invoice.lines.data
    assert (line.amount, line.subtotal, line.discountable) == (1000, 1000, True)
    assert line.discount_amounts[0].to_dict() == {"amount": 250, "discount": discount}
    assert (invoice.subtotal, invoice.total, invoice.amount_paid) == (1000, 750, 750)
    assert shop.client.v1.promotion_codes.retrieve(promo.id).times_redeemed == 1
    assert shop.client.v1.coupons.retrieve(id).valid is False
    other = shop.session(shop.price(), allow_promotion_codes=True)
    with pytest.raises(StripeFailure, match="This code is invalid"):
        shop.pay(other, promotion_code="SAVE20")
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.session(shop.price(), discounts=[{"promotion_code": promo.id}])
    assert error_of(raised).param == "discounts[0][promotion_code]"


def test_prorations_of_a_discounted_subscription_are_discounted(shop):
    small, big = shop.price(3000), shop.price(6000)
    id = coupon(shop, percent_off=50, duration="forever")
    session = shop.session(small, discounts=[{"coupon": id}])
    assert shop.pay(session).status == "complete"
    subscription = shop.subscription(
        str(shop.client.v1.checkout.sessions.retrieve(session.id).subscription)
    )
    (item,) = subscription["items"].data
    shop.until((item.current_period_start + item.current_period_end) // 2)
    shop.client.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "price": big}]})
    pending = shop.client.v1.invoice_items.list({"pending": True}).data
    assert sorted(each.amount for each in pending) == [-750, 1500]
    renewals(shop, 1)
    invoice = shop.subscription(subscription.id, "latest_invoice").latest_invoice
    assert (invoice.subtotal, invoice.total) == (6750, 3750)


def test_a_proration_credit_is_of_the_discounted_amount(shop):
    id = coupon(shop, percent_off=50, duration="once")
    subscription = shop.client.v1.subscriptions.create(
        {"customer": shop.customer("pm_card_visa"), "items": [{"price": shop.price(3000)}],
         "discounts": [{"coupon": id}]}
    )  # fmt: skip
    assert subscription.discounts == []
    (item,) = subscription["items"].data
    shop.until((item.current_period_start + item.current_period_end) // 2)
    update = {"items": [{"id": item.id, "quantity": 2}]}
    shop.client.v1.subscriptions.update(subscription.id, update)
    pending = shop.client.v1.invoice_items.list({"pending": True}).data
    assert sorted(each.amount for each in pending) == [-750, 3000]
    update["items"][0]["quantity"] = 1
    shop.client.v1.subscriptions.update(subscription.id, update)
    pending = shop.client.v1.invoice_items.list({"pending": True}).data
    assert sorted(each.amount for each in pending) == [-3000, -750, 1500, 3000]


def test_an_invoice_by_hand_with_its_own_discount(shop):
    customer, v1 = shop.customer("pm_card_visa"), shop.client.v1
    id = coupon(shop, percent_off=10)
    v1.invoice_items.create({"customer": customer, "amount": 995, "currency": "usd"})
    v1.invoice_items.create(
        {"customer": customer, "amount": 1000, "currency": "usd", "discountable": False}
    )
    invoice = v1.invoices.create(
        {"customer": customer, "discounts": [{"coupon": id}],
         "pending_invoice_items_behavior": "include"}
    )  # fmt: skip
    assert (invoice.subtotal, invoice.total) == (1995, 1895)  # 99.5 is rounded up
    assert v1.invoices.update(invoice.id, {"discounts": ""}).total == 1995
    v1.invoices.update(invoice.id, {"discounts": [{"coupon": id}]})
    paid = v1.invoices.pay(invoice.id)
    assert (paid.status, paid.amount_paid) == ("paid", 1895)
