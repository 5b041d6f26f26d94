"""The invoice of a change is the one that its preview has shown."""

from copy import deepcopy
from typing import Any

import pytest

from billing.accounts import service as stripe_accounts
from billing.models import StripeCustomer
from tests.billing.subscriptions.change_bills import bill_of
from tests.billing.subscriptions.subscribers import Subscriber
from tests.billing.tenant import Json, Tenant
from tests.prepared_world import PreparedWorld
from tests.sandbox_stripe import Clock, standing_clock
from tests.shop import Shop

CHANGES: list[dict[str, Any]] = [
    {"price": "{plus}"},
    {"price": "{cheap}", "when": "now"},
    {"quantity": 7},
    {"quantity": 1, "when": "now"},
    {"price": "{plus}", "quantity": 1},
    {"price": "{cheap}", "quantity": 9},
    {"price": "{yearly}"},
    {"price": "{plus}", "proration": "none"},
    {"quantity": 4, "proration": "create_prorations"},
    {"addons": [{"price": "{seats}", "quantity": 3}]},
    {"addons": [{"price": "{seats}"}], "price": "{cheap}", "quantity": 1, "when": "now"},
    {"price": "{yearly}", "when": "renewal"},
    {"price": "{cheap}"},
]
MOMENTS = (0, 3_599, 1_234_567, 2_400_000)
"""Seconds after the period began."""


@pytest.fixture(scope="module")
def prepared_prices(prepared_world: PreparedWorld) -> dict[str, Json]:
    """Prices by name, and a subscriber to ``pro`` for each of the moments."""
    tenant, stripe = prepared_world.tenant, prepared_world.stripe
    product = tenant.product("Pro")
    prices = {
        "pro": tenant.price(product, amount=3333),
        "plus": tenant.price(tenant.product("Plus"), amount=9999),
        "cheap": tenant.price(tenant.product("Cheap"), amount=1001),
        "yearly": tenant.price(product, amount=30001, interval="year"),
        "seats": tenant.price(tenant.product("Seats"), amount=777),
    }
    shop = Shop(stripe, prepared_world.project(), stripe_accounts.platform_default(livemode=False))
    with standing_clock(stripe.world) as clock:
        for number in range(len(MOMENTS)):
            one = Subscriber(tenant, shop, clock, f"user-{number}")
            one.subscribe(prices["pro"], quantity=2)
    return prices


@pytest.fixture
def prices(prepared_prices: dict[str, Json]) -> dict[str, Json]:
    return deepcopy(prepared_prices)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_the_invoice_equals_the_preview(
    tenant: Tenant, shop: Shop, clock: Clock, prices: dict[str, Json], change: dict[str, Any]
) -> None:
    """At any instant: amounts, lines, credit and the next invoice, to the cent and the second."""
    everyone = [
        Subscriber(tenant, shop, clock, row.customer.user_id, row=row)
        for row in StripeCustomer.objects.for_project(shop.project).order_by("pk")
    ]
    pro = prices["pro"]
    fields = _named(change, {name: price["id"] for name, price in prices.items()})
    began = clock.now
    for one, moment in zip(everyone, MOMENTS, strict=True):
        clock.advance(seconds=moment - (clock.now - began).total_seconds())
        seen = one.preview(pro, **fields)
        exact = {"proration_date": seen["bill"]["proration_date"]}
        if "{yearly}" not in str(change):  # whose new period begins with the change
            clock.advance(seconds=2)
        is_exact = exact["proration_date"] and change.get("proration") != "none"
        subscription = one.change(pro, **fields, **(exact if is_exact else {}))
        assert bill_of(subscription) == bill_of(seen), moment
        assert subscription["scheduled_change"] == seen["scheduled_change"]


def _named(change: Any, names: dict[str, str]) -> Any:
    if isinstance(change, dict):
        return {key: _named(value, names) for key, value in change.items()}
    if isinstance(change, list):
        return [_named(each, names) for each in change]
    return change.format(**names) if isinstance(change, str) else change
