"""The sandbox's objects have the fields that Stripe's have: by its fixtures and by the SDK."""

import json
import typing
import warnings
from pathlib import Path

import pytest
import stripe
from stripe._object_classes import OBJECT_CLASSES

from sandbox.expand import _named_class

FIXTURES = Path(__file__).parents[3] / "shared" / "stripe" / "fixtures3.json"

ABSENT = {
    "charge": {"refunds"},
}
"""In the fixtures, but only shown when expanded."""

SANDBOX_KINDS = [
    "account",
    "balance_transaction",
    "billing_portal.configuration",
    "billing_portal.session",
    "charge",
    "checkout.session",
    "customer",
    "event",
    "invoice",
    "invoice_payment",
    "invoiceitem",
    "item",
    "line_item",
    "payment_intent",
    "payment_method",
    "plan",
    "price",
    "product",
    "refund",
    "setup_intent",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "test_helpers.test_clock",
    "webhook_endpoint",
]


@pytest.fixture
def objects(client, shop):
    """One object of each kind, made as a user would."""
    client.v1.webhook_endpoints.create({"url": "https://e.co", "enabled_events": ["*"]})
    customer = client.v1.customers.create({"name": "Ada"})
    product = client.v1.products.create({"name": "Pro"})
    price = client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 1500,
            "product": product.id,
            "recurring": {"interval": "month"},
        }
    )
    setup = client.v1.setup_intents.create(
        {"customer": customer.id, "payment_method": "pm_card_visa", "confirm": True}
    )
    intent = client.v1.payment_intents.create(
        {
            "amount": 1500,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": setup.payment_method,
            "confirm": True,
            "off_session": True,
            "expand": ["latest_charge.balance_transaction", "payment_method"],
        }
    )
    made = [
        client.v1.accounts.retrieve_current(),
        client.v1.customers.retrieve(customer.id),
        product,
        price,
        setup,
        client.v1.payment_intents.retrieve(intent.id),
        intent.payment_method,
        client.v1.charges.retrieve(intent.latest_charge.id),
        intent.latest_charge.balance_transaction,
        client.v1.refunds.create({"payment_intent": intent.id}),
        client.v1.events.list().data[0],
        client.v1.webhook_endpoints.list().data[0],
        *billed(shop),
        *managed(shop),
    ]
    return {each.object: each.to_dict(for_json=True) for each in made}


def billed(shop):
    """What a purchase leaves behind."""
    session = shop.session(shop.price())
    assert shop.pay(session).status == "complete"
    session = shop.client.v1.checkout.sessions.retrieve(session.id)
    subscription = shop.subscription(session.subscription)
    (item,) = subscription["items"].data
    invoice = shop.client.v1.invoices.retrieve(session.invoice)
    return [
        session,
        shop.client.v1.checkout.sessions.line_items.list(session.id).data[0],
        subscription,
        item,
        item.plan,
        invoice,
        invoice.lines.data[0],
        shop.client.v1.invoice_payments.list().data[0],
        shop.client.v1.invoice_items.create(
            {"customer": session.customer, "amount": 100, "currency": "usd"}
        ),
    ]


def managed(shop):
    """What changes later, or by the customer, or at another time."""
    portals = shop.client.v1.billing_portal
    subscription = shop.subscribe()
    configuration = portals.configurations.create(
        {"features": {"payment_method_update": {"enabled": True}}}
    )
    session = portals.sessions.create(
        {
            "customer": subscription.customer,
            "configuration": configuration.id,
            "flow_data": {"type": "payment_method_update"},
        }
    )
    return [
        configuration,
        session,
        shop.client.v1.subscription_schedules.create({"from_subscription": subscription.id}),
        shop.client.v1.test_helpers.test_clocks.create({"frozen_time": 1_800_000_000}),
    ]


@pytest.mark.parametrize("kind", SANDBOX_KINDS)
def test_every_field_is_one_the_sdk_knows(objects, kind):
    known = set(_named_class(kind).__annotations__)
    assert set(objects[kind]) - known == set()


@pytest.mark.parametrize("kind", SANDBOX_KINDS)
def test_every_field_that_the_sdk_promises_is_there(objects, kind):
    promised = {
        name
        for name, annotation in _named_class(kind).__annotations__.items()
        if name != "OBJECT_NAME" and type(None) not in typing.get_args(annotation)
    }
    assert promised - set(objects[kind]) == set()


@pytest.mark.filterwarnings("default:not run")
@pytest.mark.parametrize("kind", SANDBOX_KINDS)
def test_the_fields_of_stripes_fixtures_are_there(objects, kind):
    if not FIXTURES.exists():
        warnings.warn(f"not run: fixtures absent ({FIXTURES})", stacklevel=1)
        return
    fixture = json.loads(FIXTURES.read_text())["resources"][kind]
    known = set(_named_class(kind).__annotations__)
    expected = (set(fixture) & known) - ABSENT.get(kind, set())
    assert expected - set(objects[kind]) == set()
    for name in expected:
        ours, theirs = objects[kind][name], fixture[name]
        if isinstance(ours, dict) and isinstance(theirs, dict) and name not in FREE:
            assert set(theirs) - set(ours) == set(), name


FREE = {"metadata", "data", "fraud_details", "last_payment_error", "next_action", "outcome"}
"""Hashes whose keys depend on what happened."""


def test_kinds_are_all_covered(objects):
    assert sorted(objects) == SANDBOX_KINDS
    assert set(SANDBOX_KINDS) <= set(OBJECT_CLASSES)


def test_deleted_stubs(client):
    gone = client.v1.customers.delete(client.v1.customers.create().id)
    assert isinstance(gone, stripe.Customer)
    assert gone.to_dict() == {"id": gone.id, "object": "customer", "deleted": True}
