"""Prices compute the amount of a quantity."""

import pytest

from sandbox.billing import pricing

GRADUATED = {
    "billing_scheme": "tiered",
    "tiers_mode": "graduated",
    "tiers": [
        {"up_to": 10, "unit_amount": 100, "flat_amount": 500},
        {"up_to": 20, "unit_amount": 50},
        {"up_to": "inf", "unit_amount_decimal": "12.5"},
    ],
}
VOLUME = {**GRADUATED, "tiers_mode": "volume"}


@pytest.mark.parametrize(
    ("params", "quantity", "expected"),
    [
        ({"unit_amount": 1000}, 3, 3000),
        ({"unit_amount": 1000}, 0, 0),
        ({"unit_amount_decimal": "0.5"}, 3, 2),
        ({"unit_amount_decimal": "33.3333"}, 3, 100),
        ({"unit_amount": 700, "transform_quantity": {"divide_by": 10, "round": "up"}}, 11, 1400),
        ({"unit_amount": 700, "transform_quantity": {"divide_by": 10, "round": "down"}}, 19, 700),
        (GRADUATED, 0, 500),
        (GRADUATED, 10, 1500),
        (GRADUATED, 11, 1550),
        (GRADUATED, 20, 2000),
        (GRADUATED, 24, 2050),
        (VOLUME, 10, 1500),
        (VOLUME, 11, 550),
        (VOLUME, 24, 300),
    ],
)
def test_a_price_computes_the_amount_of_a_quantity(world, shop, params, quantity, expected):
    product = shop.client.v1.products.create({"name": "Pro"})
    recurring = {"interval": "month"}
    price = shop.client.v1.prices.create(
        {"product": product.id, "currency": "usd", "recurring": recurring, **params}
    )
    with world.transaction() as tx:
        assert pricing.price_amount(tx, tx.path_object("price", price.id), quantity) == expected


def test_a_metered_price_costs_nothing_before_it_is_used(world, shop):
    price = shop.metered()
    with world.transaction() as tx:
        assert pricing.price_amount(tx, tx.path_object("price", price), None) == 0
