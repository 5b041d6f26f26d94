"""``expand`` resolves declared fields up to four levels deep."""

import pytest
import stripe


@pytest.fixture
def intent(client):
    customer = client.v1.customers.create({"name": "Ada"})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.v1.customers.update(
        customer.id, {"invoice_settings": {"default_payment_method": method.id}}
    )
    return client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": method.id,
            "confirm": True,
            "off_session": True,
        }
    )


def test_ids_become_objects(client, intent):
    wide = client.v1.payment_intents.retrieve(
        intent.id, {"expand": ["customer", "latest_charge.balance_transaction"]}
    )
    assert wide.customer.name == "Ada"
    assert wide.latest_charge.balance_transaction.net == 1000 - 59
    assert isinstance(intent.customer, str)


def test_expansion_reaches_nested_hashes_and_lists(client, intent):
    path = "data.customer.invoice_settings.default_payment_method"
    (wide,) = client.v1.payment_intents.list({"expand": [path]}).data
    assert wide.customer.invoice_settings.default_payment_method.card.last4 == "4242"


def test_includable_fields_are_absent_until_asked_for(client, intent):
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert "refunds" not in charge
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 10})
    charge = client.v1.charges.retrieve(charge.id, {"expand": ["refunds.data.payment_intent"]})
    assert charge.refunds.data[0].id == refund.id
    assert charge.refunds.data[0].payment_intent.id == intent.id


def test_expanding_never_changes_what_is_stored(client, intent):
    client.v1.customers.update(
        intent.customer,
        {"name": "Eve", "expand": ["invoice_settings.default_payment_method.customer"]},
    )
    stored = client.v1.customers.retrieve(intent.customer)
    assert isinstance(stored.invoice_settings.default_payment_method, str)
    method = client.v1.payment_methods.retrieve(stored.invoice_settings.default_payment_method)
    assert method.customer == intent.customer


@pytest.mark.parametrize("path", ["nothing", "amount", "customer.name", "customer.nothing", "id"])
def test_an_invalid_expansion_is_refused(client, intent, path):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.retrieve(intent.id, {"expand": [path]})
    assert str(refused.value.user_message).startswith(f"This property cannot be expanded ({path}).")


def test_expansion_ends_at_four_levels(client, intent):
    four = "latest_charge.payment_intent.customer.invoice_settings"
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        client.v1.payment_intents.retrieve(
            intent.id, {"expand": [f"{four}.default_payment_method"]}
        )
    deep = "latest_charge.payment_intent.latest_charge.balance_transaction"
    wide = client.v1.payment_intents.retrieve(intent.id, {"expand": [deep]})
    nested = wide.latest_charge.payment_intent.latest_charge.balance_transaction
    assert nested.object == "balance_transaction"


def test_data_of_a_list_counts_as_a_level(client, intent):
    four = "data.latest_charge.payment_intent.customer"
    (wide,) = client.v1.payment_intents.list({"expand": [four]}).data
    assert wide.latest_charge.payment_intent.customer.name == "Ada"
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        client.v1.payment_intents.list({"expand": [f"{four}.default_source"]})
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        client.v1.invoices.list({"expand": ["data.payments.data.payment.payment_intent"]})


def test_null_stays_null(client):
    product = client.v1.products.create({"name": "Pro", "expand": ["default_price"]})
    assert product.default_price is None
