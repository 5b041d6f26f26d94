"""Coupons and promotion codes discount sessions, subscriptions and invoices."""

from typing import Any

import pytest
import stripe
from werkzeug.test import Client

from sandbox.app import SandboxApplication
from sandbox.billing.discounts import DiscountableLine, allocate, divide_by_weight
from sandbox.errors import StripeFailure
from tests.sandbox.discount_calls import code, coupon, renewals
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW


def invoices(shop, subscription):
    invoice_list = shop.client.v1.invoices.list(
        {"subscription": subscription.id, "limit": 100}
    ).data
    return [
        (invoice.subtotal, invoice.total, sum(d.amount for d in invoice.total_discount_amounts))
        for invoice in reversed(invoice_list)
    ]


def test_coupons_and_codes_are_kept_shown_and_deleted(shop, event_types):
    client, product = shop.client, shop.client.v1.products.create({"name": "Pro"}).id
    new_coupon = client.v1.coupons.create(
        {"id": "SPRING", "amount_off": 500, "currency": "USD", "duration": "repeating",
         "duration_in_months": 3, "max_redemptions": 9, "redeem_by": NOW + DAY, "name": "Spring",
         "applies_to": {"products": [product]}, "expand": ["applies_to"]}
    )  # fmt: skip
    assert new_coupon.to_dict() == {
        "id": "SPRING", "object": "coupon", "amount_off": 500, "created": NOW, "currency": "usd",
        "duration": "repeating", "duration_in_months": 3, "livemode": False, "max_redemptions": 9,
        "metadata": {}, "name": "Spring", "percent_off": None, "redeem_by": NOW + DAY,
        "times_redeemed": 0, "valid": True, "applies_to": {"products": [product]},
    }  # fmt: skip
    assert "applies_to" not in client.v1.coupons.retrieve("SPRING").to_dict()
    promo = code(shop, "SPRING", max_redemptions=2, expires_at=NOW + 3600)
    assert promo.id.startswith("promo_")
    assert (promo.promotion.type, promo.promotion.coupon) == ("coupon", "SPRING")
    expanded = client.v1.promotion_codes.list(
        {"code": "save20", "active": True, "expand": ["data.promotion.coupon"]}
    )
    assert [each.promotion.coupon.name for each in expanded] == ["Spring"]
    client.v1.coupons.update("SPRING", {"name": "May", "metadata": {"a": "b"}})
    client.v1.promotion_codes.update(promo.id, {"active": False})
    assert client.v1.promotion_codes.list({"active": True}).data == []
    client.v1.promotion_codes.update(promo.id, {"active": True})
    shop.later(seconds=3600)
    assert client.v1.promotion_codes.retrieve(promo.id).active is False
    with pytest.raises(stripe.InvalidRequestError, match="cannot be activated"):
        client.v1.promotion_codes.update(promo.id, {"active": True})
    shop.later(1)
    assert client.v1.coupons.retrieve("SPRING").valid is False
    with pytest.raises(stripe.InvalidRequestError) as raised:
        code(shop, "SPRING", code="LATE")
    assert (raised.value.code, raised.value.param) == ("coupon_expired", "promotion[coupon]")
    assert client.v1.coupons.delete("SPRING").deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
        client.v1.coupons.retrieve("SPRING")
    assert [type for type in event_types() if type.startswith(("coupon", "promotion"))] == [
        "coupon.created", "promotion_code.created", "coupon.updated", "promotion_code.updated",
        "promotion_code.updated", "coupon.deleted",
    ]  # fmt: skip


def test_invalid_coupons_and_codes_are_refused(shop):
    wrong: list[tuple[dict[str, Any], str | None]] = [
        ({}, None),
        ({"percent_off": 10, "amount_off": 5, "currency": "usd"}, None),
        ({"percent_off": 0}, "percent_off"),
        ({"percent_off": 100.5}, "percent_off"),
        ({"percent_off": "nan"}, "percent_off"),
        ({"amount_off": 100}, "currency"),
        ({"amount_off": 0, "currency": "usd"}, "amount_off"),
        ({"percent_off": 5, "duration": "repeating"}, "duration_in_months"),
        ({"percent_off": 5, "duration": "once", "duration_in_months": 2}, "duration_in_months"),
        ({"percent_off": 5, "redeem_by": NOW}, "redeem_by"),
        ({"percent_off": 5, "max_redemptions": 0}, "max_redemptions"),
        ({"percent_off": 5, "applies_to": {"products": ["prod_no"]}}, "applies_to[products][0]"),
    ]
    for params, field in wrong:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            shop.client.v1.coupons.create(params)
        assert error_of(raised).param == field, params
    assert shop.client.v1.coupons.list().data == []
    new_coupon = coupon(shop, percent_off=10, max_redemptions=2)
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        shop.client.v1.coupons.create({"percent_off": 10, "id": new_coupon})
    code(shop, new_coupon)
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "code"),
        ({"code": "no spaces"}, "code"),
        ({"code": "A", "max_redemptions": 3}, "max_redemptions"),
        ({"code": "A", "expires_at": NOW}, "expires_at"),
        ({"code": "A", "customer": "cus_no"}, "customer"),
        ({"code": "A", "restrictions": {"minimum_amount": 5}}, "restrictions[minimum_amount]"),
    ]
    for params, param in cases:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            code(shop, new_coupon, **params)
        assert error_of(raised).param == param, params


def test_amounts_are_divided_to_the_last_unit():
    assert divide_by_weight(100, [1, 1, 1]) == [34, 33, 33]
    assert divide_by_weight(0, [3]) == [0]
    percent: Any = {"percent_off": 33.3, "amount_off": None, "currency": None, "products": []}
    fixed = {"percent_off": None, "amount_off": 500, "currency": "usd", "products": ["b"]}
    charges = [
        DiscountableLine(1001, "a"),
        DiscountableLine(333, "b"),
        DiscountableLine(-50, "b"),
        DiscountableLine(70, "b", False),
    ]
    assert allocate(charges, [percent, fixed], "usd") == [[333, 111, 0, 0], [0, 222, 0, 0]]
    assert allocate(charges, [fixed], "eur") == [[0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"percent_off": 50, "duration": "once"}, [500, 1000, 1000, 1000]),
        ({"percent_off": 12.5, "duration": "forever"}, [875, 875, 875, 875]),
        ({"amount_off": 300, "currency": "usd", "duration": "repeating", "duration_in_months": 2},
         [700, 700, 1000, 1000]),
        ({"percent_off": 100, "duration": "repeating", "duration_in_months": 1},
         [0, 1000, 1000, 1000]),
    ],
)  # fmt: skip
def test_a_coupon_lasts_as_long_as_it_says(shop, terms, expected):
    id = coupon(shop, **terms)
    session = shop.session(shop.price(), discounts=[{"coupon": id}])
    assert (session.amount_subtotal, session.amount_total) == (1000, expected[0])
    assert session.total_details.amount_discount == 1000 - expected[0]
    assert session.discounts[0].to_dict() == {"coupon": id, "promotion_code": None}
    assert session.payment_status == ("unpaid" if expected[0] else "no_payment_required")
    assert shop.pay(session).status == "complete"
    done = shop.client.v1.checkout.sessions.retrieve(session.id)
    assert done.payment_status == ("paid" if expected[0] else "no_payment_required")
    subscription = shop.subscription(str(done.subscription), "discounts.source.coupon")
    assert len(subscription.discounts) == (terms["duration"] != "once")
    for discount in subscription.discounts:
        assert discount.source.coupon.id == id
        assert discount.checkout_session == session.id
    renewals(shop, 3)
    assert [total for _, total, _ in invoices(shop, subscription)] == expected
    assert all(subtotal - off == total for subtotal, total, off in invoices(shop, subscription))
    redeemed = shop.client.v1.coupons.retrieve(id)
    assert redeemed.times_redeemed == 1


def test_promotion_codes_have_conditions(shop):
    id = coupon(shop)
    customer, stranger = shop.customer("pm_card_visa"), shop.customer()
    code(shop, id, code="MINE", customer=customer)
    code(shop, id, code="BIG", restrictions={"minimum_amount": 1001,
                                             "minimum_amount_currency": "usd"})  # fmt: skip
    code(shop, id, code="NEW", restrictions={"first_time_transaction": True})
    price = shop.price(1000, None)
    open_to_codes = {"mode": "payment", "allow_promotion_codes": True}
    cases = [
        ({"customer": stranger}, "MINE", "This code is invalid."),
        ({}, "BIG", "below the minimum amount of .10.01"),
        ({"allow_promotion_codes": None}, "NEW", "does not take promotion codes"),
        ({}, "NOPE", "This code is invalid."),
    ]
    for params, typed, words in cases:
        sent = {name: value for name, value in (open_to_codes | params).items() if value}
        session = shop.session(price, **sent)
        with pytest.raises(StripeFailure, match=words):
            shop.pay(session, promotion_code=typed)
        assert shop.client.v1.checkout.sessions.retrieve(session.id).amount_total == 1000
    for typed in ("NEW", "MINE"):
        session = shop.session(price, customer=customer, **open_to_codes)
        assert shop.pay(session, promotion_code=typed).status == "complete"
    session = shop.session(price, customer=customer, **open_to_codes)
    with pytest.raises(StripeFailure, match="prior transactions"):
        shop.pay(session, promotion_code="NEW")
    assert shop.client.v1.coupons.retrieve(id).times_redeemed == 2


def test_a_discount_applies_to_its_products_above_its_minimum(shop):
    cheap, dear = shop.price(700, None), shop.price(3000, None)
    product = shop.client.v1.prices.retrieve(dear).product
    id = coupon(shop, amount_off=5000, currency="usd", applies_to={"products": [product]})
    lines = [{"price": cheap, "quantity": 1}, {"price": dear, "quantity": 1}]
    session = shop.session(
        "", "payment", line_items=lines, discounts=[{"coupon": id}], expand=["line_items"]
    )
    assert [
        (item.amount_subtotal, item.amount_discount, item.amount_total)
        for item in session.line_items.data
    ] == [(700, 0, 700), (3000, 3000, 0)]
    assert session.amount_total == 700
    nearly = coupon(shop, amount_off=680, currency="usd")
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.session(cheap, "payment", discounts=[{"coupon": nearly}])
    assert raised.value.code == "amount_too_small"
    for discounts, param in [
        ([{"coupon": "no"}], "discounts[0][coupon]"),
        ([{"coupon": id, "promotion_code": "x"}], "discounts[0]"),
        ([{"coupon": id}, {"coupon": id}], "discounts"),
        ([{"promotion_code": "promo_no"}], "discounts[0][promotion_code]"),
    ]:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            shop.session(dear, "payment", discounts=discounts)
        assert error_of(raised).param == param


def test_a_full_discount_leaves_nothing_to_pay(shop):
    id = coupon(shop, percent_off=100)
    session = shop.session(shop.price(1000, None), "payment", discounts=[{"coupon": id}])
    shop.news()
    assert shop.pay(session, None).status == "complete"
    assert shop.news() == ["checkout.session.completed", "coupon.updated"]
    done = shop.client.v1.checkout.sessions.retrieve(session.id)
    assert (done.payment_status, done.payment_intent, done.amount_total) == (
        "no_payment_required", None, 0,
    )  # fmt: skip
    session = shop.session(
        shop.price(), discounts=[{"coupon": id}], payment_method_collection="if_required"
    )
    assert shop.pay(session, None).status == "complete"
    done = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["invoice"]})
    assert (done.invoice.status, done.invoice.total, done.invoice.amount_paid) == ("paid", 0, 0)


def test_a_subscription_gains_keeps_and_loses_discounts(shop):
    customer, v1 = shop.customer("pm_card_visa"), shop.client.v1
    half, ten = coupon(shop, percent_off=50, duration="forever"), coupon(
        shop, amount_off=100, currency="usd", duration="forever"
    )  # fmt: skip
    subscription = v1.subscriptions.create(
        {"customer": customer, "items": [{"price": shop.price()}], "discounts": [{"coupon": half}]}
    )
    (first,) = subscription.discounts
    shop.news()
    changed = v1.subscriptions.update(
        subscription.id, {"discounts": [{"discount": first}, {"coupon": ten}]}
    )
    assert changed.discounts[0] == first
    assert shop.news() == [
        "customer.discount.created", "coupon.updated", "customer.subscription.updated"
    ]  # fmt: skip
    v1.coupons.delete(half)
    renewals(shop, 1)
    assert invoices(shop, subscription)[-1] == (1000, 400, 600)
    shop.news()
    assert v1.subscriptions.update(subscription.id, {"discounts": ""}).discounts == []
    assert shop.news() == ["customer.discount.deleted"] * 2 + ["customer.subscription.updated"]
    renewals(shop, 1)
    assert invoices(shop, subscription)[-1] == (1000, 1000, 0)
    with pytest.raises(stripe.InvalidRequestError, match="No such discount"):
        v1.subscriptions.update(subscription.id, {"discounts": [{"discount": first}]})


def test_the_page_takes_codes(shop):
    code(shop, coupon(shop, percent_off=30, name="Spring sale"))
    session = shop.session(shop.price(), allow_promotion_codes=True)
    browser, url = Client(SandboxApplication(shop.world)), f"/pages/checkout/{session.id}"
    assert "Promotion code" in browser.get(url).text
    wrong = browser.post(url, data={"promotion_code": "NOPE", "apply_code": "1"})
    assert (wrong.status_code, "This code is invalid." in wrong.text) == (422, True)
    right = browser.post(url, data={"promotion_code": " save20 ", "apply_code": "1"}).text
    assert "SAVE20" in right
    assert "−$3.00" in right
    assert "$7.00" in right
    assert "$10.00 per month, before discount<" in right
    gone = browser.post(url, data={"remove_code": "1"}).text
    assert "SAVE20" not in gone
    assert shop.client.v1.checkout.sessions.retrieve(session.id).amount_total == 1000
