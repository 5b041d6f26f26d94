"""Changing an imported subscription keeps every setting that the change does not name."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.subscriptions.subscribers import Subscriber
from tests.billing.tenant import Json, Tenant
from tests.billing_fixtures import Clock
from tests.shop import Shop

Drain = Callable[[], None]
MOVES = ("current_period_start", "current_period_end")
FOLLOWS = ("latest_invoice", "schedule", "items")
"""Of a subscription; its items are compared on their own."""


@pytest.fixture
def ada(tenant: Tenant, shop: Shop, clock: Clock) -> Subscriber:
    return Subscriber(tenant, shop, clock, "ada")


@pytest.fixture
def plus(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Plus"), amount=9000)


@pytest.fixture
def pro(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Pro"), amount=3000)


@pytest.fixture
def seat(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Seat"), amount=500)


def imported(shop: Shop, ada: Subscriber, *prices: Json) -> dict[str, Any]:
    """A subscription with all that somebody can have set at Stripe."""
    v1 = shop.stripe.v1
    rates = [
        v1.tax_rates.create({"display_name": name, "percentage": share, "inclusive": False}).id
        for name, share in (("VAT", 20.0), ("Reduced VAT", 7.0))
    ]
    coupons = [
        v1.coupons.create({"percent_off": share, "duration": "forever"}).id for share in (10, 50)
    ]
    own_card = v1.payment_methods.attach("pm_card_mastercard", {"customer": _id(ada)}).id
    item: Any = {
        "price": prices[0]["stripe_id"],
        "quantity": 2,
        "metadata": {"contract": "C-7"},
        "tax_rates": [rates[1]],
        "discounts": [{"coupon": coupons[1]}],
    }
    furnished: Any = {
        "customer": _id(ada),
        "items": [item, *({"price": each["stripe_id"]} for each in prices[1:])],
        "metadata": {"sold_by": "Grace"},
        "description": "As agreed",
        "default_payment_method": own_card,
        "default_tax_rates": [rates[0]],
        "discounts": [{"coupon": coupons[0]}],
        "invoice_settings": {
            "custom_fields": [{"name": "Order", "value": "4711"}],
            "footer": "Thank you",
        },
    }
    subscription = v1.subscriptions.create(furnished)
    ada.sync(subscription.id)
    return stripe_subscription(shop, subscription.id)


def sent_by_invoice(shop: Shop, ada: Subscriber, price: Json) -> dict[str, Any]:
    subscription = shop.stripe.v1.subscriptions.create(
        {
            "customer": _id(ada),
            "items": [{"price": price["stripe_id"], "tax_rates": []}],
            "collection_method": "send_invoice",
            "days_until_due": 14,
        }
    )
    ada.sync(subscription.id)
    return stripe_subscription(shop, subscription.id)


def _id(ada: Subscriber) -> str:
    return str(ada.row.stripe_id)


def stripe_subscription(shop: Shop, subscription: str) -> dict[str, Any]:
    return shop.stripe.v1.subscriptions.retrieve(subscription).to_dict(for_json=True)


def unchanged_fields(subscription: dict[str, Any]) -> dict[str, Any]:
    """All of a subscription but its items and what every renewal moves."""
    return {name: value for name, value in subscription.items() if name not in FOLLOWS}


def unchanged_item_fields(subscription: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each item all but its price and period."""
    left_out = {*MOVES, "price", "plan"}
    return [
        {name: value for name, value in item.items() if name not in left_out}
        for item in subscription["items"]["data"]
    ]


def billed_items(subscription: dict[str, Any]) -> list[tuple[int, int]]:
    items = subscription["items"]["data"]
    return [(item["price"]["unit_amount"], item["quantity"]) for item in items]


def test_a_change_at_renewal_changes_only_the_price(
    ada: Subscriber, plus: Json, pro: Json, seat: Json, shop: Shop, clock: Clock, drain: Drain
) -> None:
    before = imported(shop, ada, plus, seat)
    ada.change(plus, price=pro["id"])
    planned = stripe_subscription(shop, before["id"])
    assert (unchanged_fields(planned), planned["items"]) == (
        unchanged_fields(before),
        before["items"],
    )
    clock.advance(days=32)
    drain()
    after = stripe_subscription(shop, before["id"])
    assert billed_items(after) == [(3000, 2), (500, 1)]
    assert unchanged_fields(after) == unchanged_fields(before)
    assert unchanged_item_fields(after) == unchanged_item_fields(before)
    (invoice, _) = shop.stripe.v1.invoices.list({"customer": _id(ada)}).data
    plan, seats = round(3000 * 0.9 * 1.07), round(500 * 0.9 * 1.2)
    assert (invoice.total, invoice.footer) == (plan + seats, "Thank you")
    clock.advance(days=31)
    drain()
    released = stripe_subscription(shop, before["id"])
    assert (unchanged_fields(released), released["schedule"]) == (unchanged_fields(before), None)
    assert unchanged_item_fields(released) == unchanged_item_fields(before)


def test_a_second_change_takes_the_place_of_the_first_and_keeps_what_was_set_since(
    ada: Subscriber, plus: Json, pro: Json, seat: Json, shop: Shop, clock: Clock, drain: Drain
) -> None:
    before = imported(shop, ada, plus, seat)
    ada.change(plus, price=pro["id"])
    shop.stripe.v1.subscriptions.update(before["id"], {"metadata": {"sold_by": "Linus"}})
    ada.change(seat, quantity=3, when="renewal")
    clock.advance(days=32)
    drain()
    after = stripe_subscription(shop, before["id"])
    assert billed_items(after) == [(9000, 2), (500, 3)]
    assert unchanged_fields(after) == unchanged_fields(before) | {"metadata": {"sold_by": "Linus"}}


def test_a_declined_immediate_change_keeps_the_scheduled_one(
    ada: Subscriber, plus: Json, pro: Json, seat: Json, shop: Shop, clock: Clock, drain: Drain
) -> None:
    before = imported(shop, ada, plus, seat)
    ada.change(plus, price=pro["id"])
    shop.stripe.decline_payments(_id(ada))
    assert ada.refused(plus, quantity=9)[0] == 402
    shop.stripe.accept_payments(_id(ada))
    assert unchanged_fields(stripe_subscription(shop, before["id"])) == unchanged_fields(before)
    clock.advance(days=32)
    drain()
    after = stripe_subscription(shop, before["id"])
    assert billed_items(after) == [(3000, 2), (500, 1)]
    assert unchanged_fields(after) == unchanged_fields(before)
    assert unchanged_item_fields(after) == unchanged_item_fields(before)


def test_a_new_default_card_pays_a_change_scheduled_earlier(
    ada: Subscriber, plus: Json, pro: Json, seat: Json, shop: Shop, clock: Clock, drain: Drain
) -> None:
    before = imported(shop, ada, plus, seat)
    ada.change(plus, price=pro["id"])
    chosen = shop.stripe.v1.payment_methods.attach("pm_card_amex", {"customer": _id(ada)}).id
    path = f"/customers/ada/payment-methods/{chosen}/default"
    assert ada.tenant.api.post(path).status_code == 200
    drain()
    assert stripe_subscription(shop, before["id"])["default_payment_method"] == chosen
    clock.advance(days=32)
    assert stripe_subscription(shop, before["id"])["default_payment_method"] == chosen


def test_collection_by_sent_invoice_is_kept(
    ada: Subscriber, plus: Json, pro: Json, shop: Shop, clock: Clock, drain: Drain
) -> None:
    before = sent_by_invoice(shop, ada, plus)
    ada.change(plus, price=pro["id"])
    planned = stripe_subscription(shop, before["id"])
    assert unchanged_fields(planned) == unchanged_fields(before)
    clock.advance(days=32)
    drain()
    after = stripe_subscription(shop, before["id"])
    assert (after["collection_method"], after["days_until_due"]) == ("send_invoice", 14)
    assert billed_items(after) == [(3000, 1)]
