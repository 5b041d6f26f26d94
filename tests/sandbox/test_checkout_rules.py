"""Checkout refuses invalid sessions before a page exists."""

import pytest
import stripe

from tests.sandbox.refusals import error_of
from tests.sandbox.shop import NOW

REFUSED = [
    ({"mode": None}, "mode", "Missing required param: mode."),
    ({"mode": "donation"}, "mode", "Invalid mode: must be one of payment, setup, or subscription"),
    ({"line_items": None}, "line_items", "Missing required param: line_items."),
    ({"success_url": None}, "success_url", "Missing required param: success_url."),
    ({"success_url": "shop"}, "success_url", "Not a valid URL"),
    (
        {"return_url": "https://e.co"},
        "return_url",
        "`return_url` can not be used with `ui_mode: hosted_page`.",
    ),
    (
        {"ui_mode": "embedded_page"},
        "success_url",
        "`success_url` can not be used with `ui_mode: embedded_page`.",
    ),
    (
        {"ui_mode": "embedded_page", "success_url": None},
        "return_url",
        "Missing required param: return_url.",
    ),
    (
        {"ui_mode": "hosted"},
        "ui_mode",
        "Invalid ui_mode: must be one of elements, embedded_page, form, or hosted_page",
    ),
    (
        {"payment_intent_data": {"description": "x"}},
        "payment_intent_data",
        "You can not pass `payment_intent_data` in `subscription` mode.",
    ),
    (
        {"customer_creation": "always"},
        "customer_creation",
        "You can not pass `customer_creation` in `subscription` mode.",
    ),
    (
        {"mode": "payment", "subscription_data": {"description": "x"}},
        "subscription_data",
        "You can not pass `subscription_data` in `payment` mode.",
    ),
    (
        {"mode": "payment", "payment_method_collection": "always"},
        "payment_method_collection",
        "You can not pass `payment_method_collection` in `payment` mode.",
    ),
    (
        {"mode": "setup", "currency": "usd"},
        "line_items",
        "You can not pass `line_items` in `setup` mode.",
    ),
    (
        {"mode": "setup", "line_items": None},
        "currency",
        "Missing required param: currency.",
    ),
    (
        {"mode": "payment"},
        "line_items[0]",
        (
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices."
        ),
    ),
    (
        {"allow_promotion_codes": True, "discounts": [{"coupon": "x"}]},
        "discounts",
        "You may only specify one of these parameters: allow_promotion_codes, discounts.",
    ),
    (
        {"payment_method_types": ["card"]},
        "payment_method_types",
        (
            "The `payment_method_types` parameter is no longer supported when creating a Checkout "
            "Session. Payment methods are now managed from your Dashboard settings."
        ),
    ),
    (
        {"expires_at": NOW + 1799},
        "expires_at",
        "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
    ),
    (
        {"expires_at": NOW + 86401},
        "expires_at",
        "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
    ),
    ({"customer": "cus_no"}, "customer", "No such customer: 'cus_no'"),
    (
        {"customer_update": {"name": "auto"}},
        "customer_update",
        "`customer_update` can only be used with `customer`.",
    ),
    (
        {"client_reference_id": "x" * 201},
        "client_reference_id",
        "Invalid string: must be between 1 and 200 characters.",
    ),
    (
        {"subscription_data": {"trial_period_days": 0}},
        "subscription_data[trial_period_days]",
        "The minimum number of trial period days is 1.",
    ),
    (
        {"subscription_data": {"trial_period_days": 731}},
        "subscription_data[trial_period_days]",
        "Trial periods are between 1 and 730 days long.",
    ),
    (
        {"subscription_data": {"trial_end": NOW + 3600}},
        "subscription_data[trial_end]",
        (
            "Invalid timestamp: must be an integer Unix timestamp in the future, no more than five "
            "years away."
        ),
    ),
    (
        {"subscription_data": {"trial_end": NOW + 400_000, "trial_period_days": 3}},
        "subscription_data[trial_period_days]",
        "You may only specify one of these parameters: trial_end, trial_period_days.",
    ),
    (
        {"automatic_tax": {"enabled": True, "liability": {"type": "account", "account": "acct_1"}}},
        "automatic_tax[liability][type]",
        None,
    ),
    ({"shipping_address_collection": {"allowed_countries": ["DE"]}}, None, None),
    ({"allowed_payment_method_types": ["sepa_debit"]}, "allowed_payment_method_types", None),
]


@pytest.mark.parametrize(("params", "param", "message"), REFUSED)
def test_a_refused_session_has_a_message_and_is_not_kept(shop, params, param, message):
    price = shop.price()
    sent = {
        "mode": "subscription",
        "line_items": [{"price": price, "quantity": 1}],
        "success_url": "https://shop.example/done",
        **params,
    }
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.client.v1.checkout.sessions.create(
            {name: value for name, value in sent.items() if value is not None}
        )
    error = error_of(raised)
    if param:
        assert error.param == param
    if message:
        assert error.message == message
    assert shop.client.v1.checkout.sessions.list().data == []


def line(price, **changes):
    return {"price": price, "quantity": 1, **changes}


def test_invalid_line_items_are_refused(shop):
    monthly, once = shop.price(), shop.price(500, None)
    euro = shop.price(currency="eur")
    metered = shop.metered()
    cheap = shop.price(20, None)
    table = [
        ("subscription", [line(once)], "line_items"),
        ("subscription", [line(monthly), line(euro)], "line_items[1][price]"),
        ("subscription", [line(monthly), line(monthly)], "line_items"),
        ("subscription", [line(metered)], "line_items[0][quantity]"),
        ("subscription", [{"price": monthly}], "line_items[0][quantity]"),
        ("subscription", [{"price": monthly, "quantity": 0}], "line_items[0][quantity]"),
        ("subscription", [line("price_no")], "line_items[0][price]"),
        ("subscription", [{"quantity": 1}], "line_items[0][price]"),
        ("subscription", [line(monthly), *[line(once)] * 21], "line_items"),
        ("payment", [line(once)] * 101, "line_items"),
        ("payment", [line(once), line(monthly)], "line_items[1]"),
        ("payment", [line(cheap)], None),
        (
            "payment",
            [line(once, adjustable_quantity={"enabled": True, "minimum": 2})],
            "line_items[0][adjustable_quantity]",
        ),
    ]
    for mode, lines, param in table:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            shop.session("", mode, line_items=lines)
        assert error_of(raised).param == param, (mode, len(lines))


def test_too_little_to_charge(shop):
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.session(shop.price(20, None), "payment")
    assert raised.value.code == "amount_too_small"
    assert "at least $0.50 usd" in str(raised.value)


def test_archived_products_and_prices_are_not_sold(shop):
    price = shop.price()
    shop.client.v1.prices.update(price, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        shop.session(price)
    other = shop.price()
    product = shop.client.v1.prices.retrieve(other).product
    shop.client.v1.products.update(product, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="its product is not active"):
        shop.session(other)


def test_one_currency_for_each_customer(shop):
    subscription = shop.subscribe()
    with pytest.raises(stripe.InvalidRequestError, match="cannot combine currencies"):
        shop.session(shop.price(currency="eur"), customer=subscription.customer)
