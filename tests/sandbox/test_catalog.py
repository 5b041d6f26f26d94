"""Products and prices change only as Stripe allows."""

import pytest
import stripe


@pytest.fixture
def product(client):
    return client.v1.products.create({"name": "Pro", "metadata": {"tier": "2"}})


def price_of(client, product, **fields):
    fields.setdefault("unit_amount", 1500)
    return client.v1.prices.create({"currency": "usd", "product": product.id, **fields})


def test_a_product_with_a_default_price(client, event_types):
    product = client.v1.products.create(
        {
            "name": "Pro",
            "default_price_data": {
                "currency": "usd",
                "unit_amount": 1500,
                "recurring": {"interval": "month"},
            },
            "expand": ["default_price"],
        }
    )
    assert product.default_price.recurring.interval == "month"
    assert product.default_price.product == product.id
    assert event_types() == ["product.created", "price.created", "product.updated"]


def test_updating_a_product(client, product, event_types):
    changed = client.v1.products.update(
        product.id, {"name": "Pro+", "metadata": {"tier": "", "new": "1"}}
    )
    assert (changed.name, changed.metadata.to_dict()) == ("Pro+", {"new": "1"})
    event = client.v1.events.list({"type": "product.updated"}).data[0]
    assert event.data.previous_attributes.to_dict() == {
        "name": "Pro",
        "metadata": {"tier": "2", "new": None},
    }


def test_an_update_that_changes_nothing_is_no_event(client, product, event_types):
    client.v1.products.update(product.id, {"name": "Pro"})
    assert event_types() == ["product.created"]


def test_a_product_keeps_its_name(client, product):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.products.update(product.id, {"name": ""})
    assert refused.value.code == "parameter_invalid_empty"


def test_a_product_id_may_be_chosen_once(client):
    assert client.v1.products.create({"id": "pro", "name": "Pro"}).id == "pro"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.products.create({"id": "pro", "name": "Pro"})
    assert refused.value.code == "resource_already_exists"


def test_a_product_with_prices_cannot_be_deleted(client, product, event_types):
    bare = client.v1.products.create({"name": "Bare"})
    assert client.v1.products.delete(bare.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.products.retrieve(bare.id)
    assert gone.value.code == "resource_missing"
    price_of(client, product)
    with pytest.raises(stripe.InvalidRequestError, match="user-created prices"):
        client.v1.products.delete(product.id)
    assert event_types()[-2:] == ["product.deleted", "price.created"]


def test_products_and_prices_are_filtered(client, product):
    other = client.v1.products.create({"name": "Old", "active": False})
    assert [each.id for each in client.v1.products.list({"active": True})] == [product.id]
    assert [each.id for each in client.v1.products.list({"ids": [other.id]})] == [other.id]


@pytest.mark.parametrize(
    ("fields", "amount", "exact"),
    [
        ({"unit_amount": 0}, 0, "0"),
        ({"unit_amount_decimal": "12.5"}, None, "12.5"),
        ({"unit_amount_decimal": "12.00"}, 12, "12"),
    ],
)
def test_prices_show_their_amounts(client, product, fields, amount, exact):
    fields = {"unit_amount": None, **fields}
    price = price_of(client, product, **fields)
    assert price.unit_amount == amount
    assert str(price.unit_amount_decimal) == exact


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"unit_amount": None}, "unit_amount"),
        ({"unit_amount": -1}, "unit_amount"),
        ({"unit_amount_decimal": "1"}, "unit_amount_decimal"),
        ({"recurring": {"interval": "year", "interval_count": 4}}, "recurring[interval_count]"),
        ({"billing_scheme": "tiered"}, "tiers"),
    ],
)
def test_invalid_prices_are_refused(client, product, fields, param):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        price_of(client, product, **fields)
    assert refused.value.param == param


@pytest.mark.parametrize("field", ["unit_amount", "currency", "recurring", "product"])
def test_the_amount_of_a_price_cannot_change(client, product, field):
    price = price_of(client, product)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.prices.update(price.id, {field: "1"})
    assert (refused.value.code, refused.value.param) == ("parameter_unknown", field)


def test_a_price_can_be_renamed_and_taken_off_sale(client, product):
    price = price_of(client, product)
    changed = client.v1.prices.update(price.id, {"active": False, "nickname": "old"})
    assert (changed.active, changed.nickname) == (False, "old")
    assert client.v1.prices.list({"active": True, "product": product.id}).data == []


def test_a_lookup_key_names_one_price_and_can_be_transferred(client, product, event_types):
    first = price_of(client, product, lookup_key="pro")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        price_of(client, product, lookup_key="pro")
    assert refused.value.param == "lookup_key"
    second = price_of(client, product, lookup_key="pro", transfer_lookup_key=True)
    assert client.v1.prices.retrieve(first.id).lookup_key is None
    assert [each.id for each in client.v1.prices.list({"lookup_keys": ["pro"]})] == [second.id]
    assert event_types()[-2:] == ["price.updated", "price.created"]


def test_tiers_show_when_expanded(client, product):
    price = price_of(
        client,
        product,
        unit_amount=None,
        billing_scheme="tiered",
        tiers_mode="graduated",
        recurring={"interval": "month"},
        tiers=[{"up_to": 10, "unit_amount": 0}, {"up_to": "inf", "unit_amount_decimal": "0.5"}],
    )
    assert "tiers" not in price
    wide = client.v1.prices.retrieve(price.id, {"expand": ["tiers"]})
    assert [tier.up_to for tier in wide.tiers] == [10, None]
    assert str(wide.tiers[1].unit_amount_decimal) == "0.5"


def test_prices_by_recurrence(client, product):
    monthly = price_of(client, product, recurring={"interval": "month"})
    price_of(client, product)
    assert [each.id for each in client.v1.prices.list({"type": "recurring"})] == [monthly.id]
    prices = client.v1.prices.list({"recurring": {"interval": "month"}})
    assert [each.id for each in prices] == [monthly.id]
