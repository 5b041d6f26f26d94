"""Snapshots are read from Stripe's fixtures, the sandbox's answers and odd objects."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.stripe import (
    checkouts,
    customers,
    events,
    invoices,
    payments,
    prices,
    products,
    subscriptions,
    writes,
)
from billing.stripe.client import client_with
from billing.stripe.fields import Fields, labelled
from sandbox import buyer
from sandbox.world import DEFAULT_SECRET_KEY
from tests.billing_fixtures import Clock, SandboxStripe

FIXTURES = Path(__file__).with_name("published_fixtures.json")
"""Some of those that Stripe publishes beside its OpenAPI specification (MIT License, Copyright (c)
2011- Stripe, Inc., https://stripe.com)."""
EPOCH = 1_800_000_000
MOMENT = datetime(2027, 1, 15, 8, tzinfo=UTC)


def stripe_fixture(kind: str) -> dict[str, Any]:
    return dict(json.loads(FIXTURES.read_text())[kind])


PAYMENT: dict[str, Any] = {
    **stripe_fixture("payment_intent"),
    "id": "pi_1",
    "amount": 1000,
    "amount_received": 1000,
    "currency": "usd",
    "status": "succeeded",
    "created": EPOCH,
    "customer": {"id": "cus_1"},
    "latest_charge": {"id": "ch_1", "paid": True, "created": EPOCH},
}
ITEM: dict[str, Any] = {
    "id": "si_1",
    "price": {"id": "price_1", "product": "prod_1"},
    "current_period_start": EPOCH,
    "current_period_end": EPOCH + 86400,
}
SUBSCRIPTION: dict[str, Any] = {
    **stripe_fixture("subscription"),
    "id": "sub_1",
    "customer": "cus_1",
    "status": "active",
    "created": EPOCH,
    "start_date": EPOCH,
}


def refund(amount: int, status: str) -> dict[str, Any]:
    fields = {"id": f"re_{amount}", "amount": amount, "status": status, "created": EPOCH}
    return {**stripe_fixture("refund"), **fields}


def test_only_refunds_that_give_back_count() -> None:
    refunds = [
        refund(1, "succeeded"),
        refund(20, "pending"),
        refund(300, "failed"),
        refund(4000, "canceled"),
        refund(50000, "a_new_word"),
    ]
    new_snapshot = payments.snapshot(PAYMENT, refunds)
    assert new_snapshot.amount_refunded == 50021
    assert (new_snapshot.customer_stripe_id, new_snapshot.paid_at) == ("cus_1", MOMENT)


@pytest.mark.parametrize("charge", [None, "ch_1", {"id": "ch_1", "paid": False, "created": EPOCH}])
def test_a_payment_without_a_paid_charge(charge: Any) -> None:
    assert payments.snapshot({**PAYMENT, "latest_charge": charge}, []).paid_at is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"cancel_at": None, "cancel_at_period_end": False}, None),
        ({"cancel_at": EPOCH}, MOMENT),
        ({"cancel_at": EPOCH, "cancel_at_period_end": True}, MOMENT),
        ({"cancel_at": None, "cancel_at_period_end": True}, MOMENT.replace(day=16)),
    ],
)
def test_when_a_subscription_will_end(change: dict[str, Any], expected: datetime | None) -> None:
    assert subscriptions.snapshot({**SUBSCRIPTION, **change}, [ITEM]).cancel_at == expected


def test_the_running_period_stands_on_the_items() -> None:
    (item,) = subscriptions.snapshot(SUBSCRIPTION, [ITEM]).items
    assert (item.period_start, item.period_end) == (MOMENT, MOMENT.replace(day=16))
    assert (item.price_stripe_id, item.product_stripe_id, item.quantity) == (
        "price_1",
        "prod_1",
        1,
    )


def test_unknown_statuses_are_kept() -> None:
    new_snapshot = subscriptions.snapshot({**SUBSCRIPTION, "status": "hibernating"}, [])
    assert new_snapshot.status == "hibernating"
    body = {"type": "auction", "recurring": {"interval": "moon"}, "unit_amount": None}
    price = prices.snapshot({**stripe_fixture("price"), **body})
    assert (price.type, price.interval, price.unit_amount) == ("auction", "moon", None)


def test_our_id_is_separated_from_the_tenants_metadata() -> None:
    metadata = {"tollgate_id": "prod_1", "tollgate_other": "x", "tier": "1"}
    new_snapshot = products.snapshot({**stripe_fixture("product"), "metadata": metadata})
    assert (new_snapshot.our_id, new_snapshot.metadata) == ("prod_1", {"tier": "1"})


@pytest.mark.parametrize("module", [customers, products, prices])
def test_deleted_objects_are_recognised(module: Any) -> None:
    new_snapshot = module.snapshot({"id": "x_1", "object": "x", "deleted": True})
    assert (new_snapshot.stripe_id, new_snapshot.deleted) == ("x_1", True)


def write(client: Any, operation: str, row_id: str, params: Fields) -> Fields:
    """What Stripe makes for this row."""
    labels = {"metadata": labelled(row_id, params.get("metadata"))}
    named = {**params, **labels}
    return writes.send(client, operation, target="", params=named, idempotency_key=row_id)


def test_every_kind_is_read_from_the_sandboxs_answers(stripe: SandboxStripe, clock: Clock) -> None:
    """Every retrieve and every list, over the SDK, agree about the same objects."""
    client = client_with(DEFAULT_SECRET_KEY)
    started = clock.now
    sold = products.new(name="Pro", description="All", metadata={"k": "v"})
    product = products.snapshot(write(client, "product.create", "prod_a", sold))
    cost = prices.new(
        product_stripe_id=product.stripe_id,
        currency="usd",
        unit_amount=2900,
        interval="month",
        interval_count=1,
        nickname="Monthly",
        metadata={},
    )
    price = prices.snapshot(write(client, "price.create", "price_a", cost))
    person = customers.new(email="a@example.com", name="A", metadata={})
    customer = customers.snapshot(write(client, "customer.create", "scus_a", person))
    order = checkouts.Order(
        our_id="chk_a",
        customer_stripe_id=customer.stripe_id,
        is_subscription=True,
        lines=[(price.stripe_id, 2)],
        success_url="https://app.example.com/",
        cancel_url="",
        expires_at=started + timedelta(hours=12),
        metadata={},
    )
    session = write(client, "checkout_session.create", "chk_a", checkouts.params(order))
    opened = checkouts.snapshot(session)
    buyer.pay(stripe.world, opened.url)
    paid = checkouts.retrieve(client, opened.stripe_id)
    assert (paid.status, paid.payment_status, paid.our_id) == ("complete", "paid", "chk_a")
    subscription = subscriptions.retrieve(client, str(paid.subscription_stripe_id))
    assert (subscription.our_id, subscription.status) == ("chk_a", "active")
    assert subscription.items[0].quantity == 2
    invoice = invoices.retrieve(client, str(subscription.latest_invoice_stripe_id))
    assert (invoice.subscription_stripe_id, invoice.total) == (subscription.stripe_id, 5800)
    assert invoice.lines[0].price_stripe_id == price.stripe_id
    (settled_by,) = invoice.payments
    payment_id = str(settled_by.payment_stripe_id)
    payment = payments.retrieve(client, payment_id)
    assert (payment.amount_received, payment.customer_stripe_id) == (5800, customer.stripe_id)
    client.v1.refunds.create(
        {"payment_intent": payment_id, "amount": 800, "metadata": {"tollgate_id": "ref_a"}}
    )
    (given_back,) = payments.retrieve(client, payment_id).refunds
    assert (given_back.our_id, given_back.amount, given_back.metadata) == ("ref_a", 800, {})
    for module, expected in (
        (products, products.retrieve(client, product.stripe_id)),
        (prices, price),
        (customers, customers.retrieve(client, customer.stripe_id)),
        (checkouts, paid),
        (subscriptions, subscription),
        (invoices, invoice),
        (payments, payments.retrieve(client, payment_id)),
    ):
        assert list(module.iterate(client)) == [expected]
    types = {event.type for event in events.page(client, since=started)[0]}
    assert {"checkout.session.completed", "customer.subscription.created"} <= types


def test_refunds_beyond_the_first_page_are_read(stripe: SandboxStripe) -> None:
    client = client_with(DEFAULT_SECRET_KEY)
    intent = client.v1.payment_intents.create(
        {
            "amount": 5000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    for _ in range(13):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    payment = payments.retrieve(client, intent.id)
    assert (len(payment.refunds), payment.amount_refunded) == (13, 1300)


def test_stripes_published_fixtures_can_be_read() -> None:
    intent, subscription = stripe_fixture("payment_intent"), stripe_fixture("subscription")
    invoice = stripe_fixture("invoice")
    assert payments.snapshot(intent, [stripe_fixture("refund")]).amount_refunded == 100
    assert subscriptions.snapshot(subscription, subscription["items"]["data"]).status == "active"
    new_snapshot = invoices.snapshot(
        invoice, invoice["lines"]["data"], [], [stripe_fixture("credit_note")]
    )
    assert (new_snapshot.subscription_stripe_id, new_snapshot.lines[0].is_proration) == (
        "subscription",
        True,
    )
    assert new_snapshot.credit_notes[0].status == "issued"
    assert prices.snapshot(stripe_fixture("price")).unit_amount == 2000
    assert products.snapshot(stripe_fixture("product")).name == "T-shirt"
    assert customers.snapshot(stripe_fixture("customer")).currency == "usd"
    assert customers.snapshot(stripe_fixture("deleted_customer")).deleted
    assert checkouts.snapshot(stripe_fixture("checkout.session")).payment_stripe_id is not None
