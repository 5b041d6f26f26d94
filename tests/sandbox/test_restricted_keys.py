"""Restricted keys need a read or write permission for each resource."""

import pytest
import stripe
from werkzeug.test import Client

from sandbox import accounts, permissions
from sandbox.api import ROUTER
from sandbox.app import SandboxApplication
from sandbox.resources.registry import RESOURCES
from sandbox.world import DEFAULT_ACCOUNT
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import client_of


def restricted(world, *granted):
    key = f"rk_test_restricted_{len(granted)}"
    accounts.open_account(world, account_id=DEFAULT_ACCOUNT, secret_key=key, permissions=granted)
    return client_of(world, key).v1


def test_a_missing_permission_is_a_403_that_names_it(world, client):
    ada = client.v1.customers.create({"name": "Ada"})
    reader = restricted(world, "customer_read")
    assert reader.customers.retrieve(ada.id).name == "Ada"
    with pytest.raises(stripe.PermissionError) as refused:
        reader.customers.create({"name": "Bob"})
    assert error_of(refused).type == "invalid_request_error"
    assert refused.value.user_message == (
        "The provided key 'rk_test_********ed_1' does not have the required permissions for "
        f"this endpoint on account '{DEFAULT_ACCOUNT}'. Having the 'rak_customer_write' permission "
        "would allow this request to continue."
    )
    with pytest.raises(stripe.PermissionError, match="rak_coupon_read"):
        reader.coupons.list()
    assert len(client.v1.customers.list().data) == 1


def test_writing_includes_reading_and_some_permissions_imply_others(world, client):
    client.v1.customers.create({"name": "Ada"})
    writer = restricted(world, "customer_write", "plan_read")
    customer = writer.customers.create({"name": "Bob"})
    assert writer.customers.retrieve(customer.id).name == "Bob"
    assert writer.products.list().data == []
    with pytest.raises(stripe.PermissionError, match="rak_product_write"):
        writer.products.create({"name": "Pro"})


def test_expansion_needs_the_permission_to_read(world, client):
    customer = client.v1.customers.create({"name": "Ada"}).id
    intent = client.v1.payment_intents.create(
        {"amount": 100, "currency": "usd", "customer": customer}
    )
    reader = restricted(world, "payment_intent_read")
    assert reader.payment_intents.retrieve(intent.id).customer == customer
    with pytest.raises(stripe.PermissionError, match="rak_customer_read"):
        reader.payment_intents.retrieve(intent.id, {"expand": ["customer"]})


def test_payment_methods_of_a_customer_have_their_own_permission(world, client):
    customer = client.v1.customers.create({"name": "Ada"}).id
    with pytest.raises(stripe.PermissionError, match="rak_payment_method_read"):
        restricted(world, "customer_read").customers.payment_methods.list(customer)


def test_every_path_needs_a_permission_that_stripe_has():
    paths = {route.path for resource in RESOURCES for route in resource.routes}
    assert {permissions._resource_of_path(path.replace("<id>", "x")) for path in paths} == set(
        permissions.RESOURCES_BY_PATH.values()
    )
    assert ROUTER.match("GET", "/v1/customers") is not None


def test_an_unknown_permission_is_refused(world):
    with pytest.raises(ValueError, match="No such permission: customers_read"):
        restricted(world, "customers_read")


def test_controls_create_restricted_keys(world):
    http = Client(SandboxApplication(world))
    account = http.post("/_sandbox/accounts", json={"permissions": ["event_read"]}).get_json()
    assert account["secret_key"].startswith("rk_test_")
    v1 = client_of(world, account["secret_key"]).v1
    assert v1.events.list().data == []
    with pytest.raises(stripe.PermissionError):
        v1.accounts.retrieve_current()
    wrong = http.post("/_sandbox/accounts", json={"permissions": ["all"]})
    assert (wrong.status_code, wrong.json) == (400, {"error": "No such permission: all."})
