"""The sandbox's objects have the fields of Stripe's fixtures and of the SDK."""

import typing

import pytest
import stripe

from sandbox import bank
from sandbox.expand import _named_class
from tests.sandbox import stripe_fields

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
    "coupon",
    "credit_note",
    "credit_note_line_item",
    "customer",
    "customer_balance_transaction",
    "discount",
    "dispute",
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
    "promotion_code",
    "radar.early_fraud_warning",
    "refund",
    "setup_intent",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "tax_rate",
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
    stripe_objects = [
        client.v1.accounts.retrieve_current(),
        client.v1.customers.retrieve(customer.id),
        product,
        price,
        setup,
        client.v1.payment_intents.retrieve(intent.id),
        intent.payment_method,
        client.v1.charges.retrieve(intent.latest_charge.id),
        intent.latest_charge.balance_transaction,
        fraud_warning(shop, intent.id),
        client.v1.refunds.create({"payment_intent": intent.id}),
        client.v1.events.list().data[0],
        client.v1.webhook_endpoints.list().data[0],
        *billed_objects(shop),
        *managed_objects(shop),
        *discounted_objects(shop),
    ]
    return {each.object: each.to_dict(for_json=True) for each in stripe_objects}


def fraud_warning(shop, intent):
    warning = bank.issue_fraud_warning(shop.world, intent)
    return shop.client.v1.radar.early_fraud_warnings.retrieve(warning["id"])


def billed_objects(shop):
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


def discounted_objects(shop):
    """What makes things cheaper or dearer, or takes the money back."""
    v1 = shop.client.v1
    coupon = v1.coupons.create({"percent_off": 5, "duration": "forever"})
    code = v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
    session = shop.session(
        shop.price(), discounts=[{"promotion_code": code.id}], automatic_tax={"enabled": True}
    )
    assert shop.pay(session, address={"country": "DE"}).status == "complete"
    session = v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription.discounts"]})
    (line,) = v1.invoices.retrieve(session.invoice).lines.data
    body = {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 100}
    note = v1.credit_notes.create(
        {"invoice": session.invoice, "lines": [body], "credit_amount": 113}  # less 5 %, plus 19 %
    )
    return [
        coupon,
        code,
        session.subscription.discounts[0],
        note,
        note.lines.data[0],
        v1.customers.balance_transactions.list(session.customer).data[0],
        v1.tax_rates.list().data[0],
        v1.disputes.retrieve(bank.open_dispute(shop.world, v1.charges.list().data[0].id)["id"]),
    ]


def managed_objects(shop):
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


def test_the_fields_are_those_that_the_sdk_knows_and_promises(objects):
    for kind in SANDBOX_KINDS:
        annotations = _named_class(kind).__annotations__
        promised = {
            name
            for name, annotation in annotations.items()
            if name != "OBJECT_NAME" and type(None) not in typing.get_args(annotation)
        }
        assert set(objects[kind]) - set(annotations) == set(), kind
        assert promised - set(objects[kind]) == set(), kind


def test_the_fields_of_stripes_fixtures_are_there(objects):
    fixtures = stripe_fields.load()
    for kind in SANDBOX_KINDS:
        declared_fields = set(_named_class(kind).__annotations__)
        expected = (set(fixtures[kind]) & declared_fields) - ABSENT.get(kind, set())
        assert expected - set(objects[kind]) == set(), kind
        for name in expected - FREE:
            value, fields_of_hash = objects[kind][name], fixtures[kind][name]
            if isinstance(value, dict) and fields_of_hash is not None:
                assert set(fields_of_hash) - set(value) == set(), (kind, name)


FREE = {"metadata", "data", "fraud_details", "last_payment_error", "next_action", "outcome"}
"""Hashes whose keys depend on what happened."""


def test_every_kind_of_object_is_checked(objects):
    assert sorted(objects) == SANDBOX_KINDS
    assert all(_named_class(kind) for kind in SANDBOX_KINDS)


def test_deleted_objects_have_stripes_fields(client):
    gone = client.v1.customers.delete(client.v1.customers.create().id)
    assert isinstance(gone, stripe.Customer)
    assert gone.to_dict() == {"id": gone.id, "object": "customer", "deleted": True}
