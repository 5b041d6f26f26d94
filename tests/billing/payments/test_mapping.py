"""Payments and their refunds are mirrored alike in any order of events."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from stripe import CardError

from billing.models import Payment, Refund, StripeCustomer, SyncObject
from billing.models.payment import PaymentType
from billing.payments.mapping.payments import status_of
from billing.stripe.snapshots import PaymentSnapshot, RefundSnapshot
from billing.sync import service as sync
from sandbox.deliveries import DeliveryMode
from tests.billing import outbox_events
from tests.sandbox_stripe import Clock
from tests.shop import RETURN, Shop

Drain = Callable[[], None]


def only_payment(shop: Shop) -> Payment:
    return Payment.objects.for_project(shop.project).get()


def test_a_succeeded_payment_is_mirrored(
    shop: Shop, alice: StripeCustomer, drain: Drain, clock: Clock
) -> None:
    stripe_id = shop.pay(alice, 2900, metadata={"order": "7"})
    drain()
    row = only_payment(shop)
    assert (row.stripe_id, row.status, row.stripe_status) == (stripe_id, "paid", "succeeded")
    assert (row.amount, row.amount_received, row.amount_refunded) == (2900, 2900, 0)
    assert (row.paid_at, row.metadata) == (clock.now, {"order": "7"})
    assert outbox_events.types(shop.project) == ["payment.created", "payment.paid"]


def test_a_declined_payment_is_mirrored_as_failed(
    shop: Shop, alice: StripeCustomer, drain: Drain
) -> None:
    intent = shop.stripe.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "customer": str(alice.stripe_id)}
    )
    drain()
    assert only_payment(shop).status == "pending"
    shop.stripe.decline_payments(str(alice.stripe_id))
    with pytest.raises(CardError):
        shop.stripe.v1.payment_intents.confirm(
            intent.id, {"payment_method": "pm_card_visa", "return_url": RETURN}
        )
    drain()
    row = only_payment(shop)
    assert (row.status, row.failure_code) == ("failed", "generic_decline")
    assert row.failure_message
    assert outbox_events.types(shop.project) == ["payment.created", "payment.failed"]


def test_refunds_are_mirrored_with_their_payment(
    shop: Shop, alice: StripeCustomer, drain: Drain
) -> None:
    stripe_id = shop.pay(alice, 1000)
    drain()
    for amount, status in ((300, "partially_refunded"), (700, "refunded")):
        shop.stripe.v1.refunds.create({"payment_intent": stripe_id, "amount": amount})
        drain()
        assert only_payment(shop).status == status
    assert only_payment(shop).amount_refunded == only_payment(shop).amount_received > 0
    assert sorted(row.amount for row in only_payment(shop).refunds.all()) == [300, 700]
    refunded = outbox_events.events(shop.project, "payment.refunded")
    assert [each.data["amount_refunded"]["amount"] for each in refunded] == [300, 1000]
    assert refunded[1].previous["amount_refunded"] == {"amount": 300, "currency": "usd"}


def test_a_refund_of_ours_finds_its_row(
    shop: Shop, alice: StripeCustomer, drain: Drain, clock: Clock
) -> None:
    stripe_id = shop.pay(alice, 1000)
    drain()
    payment = only_payment(shop)
    waiting = Refund.objects.create(
        project=shop.project,
        account=shop.account,
        payment=payment,
        status="pending",
        currency="usd",
        amount=400,
        refunded_at=clock.now,
    )
    new_refund = shop.stripe.v1.refunds.create(
        {"payment_intent": stripe_id, "amount": 400, "metadata": {"tollgate_id": waiting.pk}}
    )
    drain()
    row = Refund.objects.for_project(shop.project).get()
    assert (row.pk, row.stripe_id, row.status) == (waiting.pk, new_refund.id, "succeeded")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_events_in_any_order_have_one_result(
    shop: Shop, alice: StripeCustomer, drain: Drain, order: tuple[int, ...]
) -> None:
    """The refund may come before the payment that it refunds."""
    stripe_id = shop.pay(alice, 1000)
    shop.stripe.v1.refunds.create({"payment_intent": stripe_id, "amount": 250})
    shop.stripe.v1.refunds.create({"payment_intent": stripe_id, "amount": 250})
    shop.stripe.deliver(DeliveryMode(shuffled=True, seed=order[0] * 9 + order[1] * 3 + order[2]))
    drain()
    row = only_payment(shop)
    assert (row.status, row.amount_refunded) == ("partially_refunded", 500)
    assert row.refunds.count() == 2
    assert outbox_events.types(shop.project) == [
        "payment.created",
        "payment.paid",
        "payment.refunded",
        "payment.refund_succeeded",
    ]


def test_a_payment_of_an_unknown_customer_is_foreign(
    shop: Shop, alice: StripeCustomer, drain: Drain
) -> None:
    stranger = shop.stripe.v1.customers.create({"metadata": {"tollgate_id": alice.pk}})
    params: Any = {"amount": 500, "currency": "usd", "metadata": {"tollgate_id": alice.pk}}
    shop.stripe.v1.payment_intents.create(params)
    params["customer"] = stranger.id
    shop.stripe.v1.payment_intents.create(params)
    drain()
    assert not Payment.objects.for_project(shop.project).exists()
    foreign = SyncObject.objects.filter(foreign_at__isnull=False)
    assert sorted(foreign.values_list("kind", "foreign_customer")) == [
        ("customer", ""),
        ("payment_intent", ""),
        ("payment_intent", stranger.id),
    ]
    assert outbox_events.types(shop.project) == []


def test_foreign_objects_are_read_again_once_their_customer_is_ours(
    shop: Shop, alice: StripeCustomer, drain: Drain
) -> None:
    """The payment's event overtook the commit of our own row of the customer."""
    stripe_id = str(alice.stripe_id)
    StripeCustomer.objects.for_project(shop.project).update(stripe_id=None)
    payment = shop.pay(StripeCustomer(stripe_id=stripe_id))
    sync.request_sync(account_id=shop.account.pk, kind="payment_intent", stripe_id=payment)
    sync.drain(at=alice.created_at)
    assert SyncObject.objects.get(stripe_id=payment).state == "foreign"
    drain()  # customer.created arrives: the row is proof, the metadata names it
    alice.refresh_from_db()
    assert alice.stripe_id == stripe_id
    assert only_payment(shop).stripe_id == payment
    assert SyncObject.objects.get(stripe_id=payment).state == "applied"


def snapshot(status: str, **fields: object) -> PaymentSnapshot:
    values = {
        "stripe_id": "pi_1",
        "customer_stripe_id": None,
        "status": status,
        "currency": "usd",
        "amount": 1000,
        "amount_received": 1000 if status == "succeeded" else 0,
        "failure_code": "",
        "failure_message": "",
        "paid_at": None,
        "refunds": (),
        **fields,
    }
    return PaymentSnapshot(**values)  # type: ignore[arg-type]


def refund(amount: int, status: str = "succeeded") -> RefundSnapshot:
    return RefundSnapshot(
        stripe_id=f"re_{amount}{status}",
        our_id=None,
        status=status,
        currency="usd",
        amount=amount,
        reason="",
        refunded_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("payment_snapshot", "status"),
    [
        (snapshot("requires_payment_method"), "pending"),
        (snapshot("requires_payment_method", failure_code="x"), "failed"),
        (snapshot("requires_confirmation"), "pending"),
        (snapshot("requires_action"), "requires_action"),
        (snapshot("processing"), "processing"),
        (snapshot("requires_capture"), "processing"),
        (snapshot("canceled"), "canceled"),
        (snapshot("a_word_of_tomorrow"), "processing"),
        (snapshot("succeeded"), "paid"),
        (snapshot("succeeded", refunds=(refund(1),)), "partially_refunded"),
        (snapshot("succeeded", refunds=(refund(400), refund(600))), "refunded"),
        (snapshot("succeeded", refunds=(refund(1000, "failed"),)), "paid"),
        (snapshot("succeeded", refunds=(refund(1000, "pending"),)), "refunded"),
    ],
)
def test_payment_status_of_a_snapshot(payment_snapshot: PaymentSnapshot, status: str) -> None:
    assert status_of(payment_snapshot) == status


def test_metadata_that_names_a_neighbours_payment_is_foreign(
    shop: Shop, alice: StripeCustomer, drain: Drain
) -> None:
    """Metadata alone proves nothing: whose card was charged is not the row's customer."""
    bob = shop.buyer("bob")
    waiting = Payment.objects.for_project(shop.project).create(
        account=shop.account,
        customer_id=alice.customer_id,
        type=PaymentType.INTENT,
        currency="usd",
        amount=2900,
    )

    stripe_id = shop.pay(bob, 2900, metadata={"tollgate_id": waiting.pk})
    drain()

    waiting.refresh_from_db()
    assert (waiting.stripe_id, waiting.status, waiting.amount_received) == (None, "pending", 0)
    payment = Payment.objects.for_project(shop.project).get(stripe_id=stripe_id)
    assert payment.customer_id == bob.customer_id
