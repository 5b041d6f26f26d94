"""Customers and their payment methods are created, changed and deleted."""

import pytest
import stripe


@pytest.fixture
def ada(client):
    return client.v1.customers.create({"name": "Ada", "email": "ada@example.com"})


def test_fields_are_set_and_unset(client, ada):
    address = {"line1": "1 Way", "city": "Bath", "country": "GB"}
    changed = client.v1.customers.update(ada.id, {"address": address, "phone": "123"})
    assert changed.address.to_dict() == {
        **address,
        "line2": None,
        "postal_code": None,
        "state": None,
    }
    changed = client.v1.customers.update(ada.id, {"address": "", "phone": ""})
    assert (changed.address, changed.phone, changed.name) == (None, None, "Ada")


def test_metadata_is_merged_key_by_key(client, ada):
    client.v1.customers.update(ada.id, {"metadata": {"a": "1", "b": "2", "_c": "\x00"}})
    changed = client.v1.customers.update(ada.id, {"metadata": {"a": "", "d": "4"}})
    assert changed.metadata.to_dict() == {"b": "2", "_c": "\x00", "d": "4"}
    assert client.v1.customers.update(ada.id, {"metadata": ""}).metadata.to_dict() == {}


def test_a_deleted_customer_leaves_a_stub(client, ada, event_types):
    assert client.v1.customers.delete(ada.id).to_dict() == {
        "id": ada.id,
        "object": "customer",
        "deleted": True,
    }
    assert client.v1.customers.retrieve(ada.id).deleted is True
    assert event_types() == ["customer.created", "customer.deleted"]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.update(ada.id, {"name": "Ada"})
    assert refused.value.http_status == 404


def test_subscriptions_end_with_their_customer(client, ada, event_types):
    client.v1.payment_methods.attach("pm_card_visa", {"customer": ada.id})
    (card,) = client.v1.customers.payment_methods.list(ada.id).data
    subscription = client.v1.subscriptions.create(
        {
            "customer": ada.id,
            "default_payment_method": card.id,
            "items": [{"price": monthly(client)}],
        }
    )
    assert subscription.status == "active"
    client.v1.customers.delete(ada.id)
    ended = client.v1.subscriptions.retrieve(subscription.id)
    assert (ended.status, ended.customer) == ("canceled", ada.id)
    assert event_types()[-2:] == ["customer.subscription.deleted", "customer.deleted"]


def monthly(client):
    product = client.v1.products.create({"name": "Pro"})
    return client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 1500,
            "product": product.id,
            "recurring": {"interval": "month"},
        }
    ).id


def test_a_name_has_at_most_256_characters(client):
    assert client.v1.customers.create({"name": "x" * 256}).name == "x" * 256
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.create({"name": "x" * 257})
    assert refused.value.param == "name"


def test_unsupported_parameters_are_refused(client):
    with pytest.raises(stripe.InvalidRequestError, match="does not support `cash_balance`"):
        client.v1.customers.create(
            {"cash_balance": {"settings": {"reconciliation_mode": "manual"}}}
        )


def test_attach_and_detach(client, ada, event_types):
    method = client.v1.payment_methods.attach("pm_card_mastercard", {"customer": ada.id})
    client.v1.customers.update(ada.id, {"invoice_settings": {"default_payment_method": method.id}})
    assert (method.customer, method.card.brand) == (ada.id, "mastercard")
    assert [each.id for each in client.v1.customers.payment_methods.list(ada.id)] == [method.id]
    assert client.v1.customers.payment_methods.retrieve(ada.id, method.id).id == method.id

    assert client.v1.payment_methods.detach(method.id).customer is None
    assert client.v1.customers.payment_methods.list(ada.id).data == []
    stored = client.v1.customers.retrieve(ada.id)
    assert stored.invoice_settings.default_payment_method is None
    assert event_types() == [
        "customer.created",
        "payment_method.attached",
        "customer.updated",
        "payment_method.detached",
        "customer.updated",
    ]


def test_a_detached_method_never_comes_back(client, ada):
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": ada.id})
    client.v1.payment_methods.detach(method.id)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        client.v1.payment_methods.attach(method.id, {"customer": ada.id})


def test_a_method_belongs_to_one_customer(client, ada):
    bob = client.v1.customers.create({"name": "Bob"})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": ada.id})
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        client.v1.payment_methods.attach(method.id, {"customer": bob.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.update(
            bob.id, {"invoice_settings": {"default_payment_method": method.id}}
        )
    assert refused.value.param == "invoice_settings[default_payment_method]"
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.customers.payment_methods.retrieve(bob.id, method.id)
    assert missing.value.http_status == 404


def test_methods_without_a_customer_are_not_listed(client, ada):
    client.v1.payment_methods.attach("pm_card_visa", {"customer": ada.id})
    assert client.v1.payment_methods.list().data == []
    assert len(client.v1.payment_methods.list({"customer": ada.id, "type": "card"}).data) == 1
