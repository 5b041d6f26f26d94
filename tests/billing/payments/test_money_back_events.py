"""Events of refunds and disputes: one for each change that a project acts on."""

import pytest

from sandbox import disputes
from tests.billing import outbox_events
from tests.billing.payments.refund_desk import REFUNDED, Desk
from tests.billing.tenant import Json
from tests.sandbox_stripe import Clock

PENDING_REFUND = "4000000000007726"


def test_a_refund_succeeds_later(desk: Desk, clock: Clock) -> None:
    opened = desk.tenant.open(desk.price(refund_policy="keep"))
    assert desk.tenant.pay(opened, card=PENDING_REFUND).status == "complete"
    desk.drain()
    (payment,) = desk.tenant.api.get("/payments").json()["data"]
    desk.new_event_types()
    assert desk.refund(payment)["status"] == "pending"
    assert desk.new_event_types() == ["payment.refunded"]
    clock.advance(hours=2)
    desk.drain()
    assert desk.new_event_types() == ["payment.refund_succeeded"]
    event = outbox_events.last(desk.project, "payment.refund_succeeded")
    shown = desk.payment(payment)
    assert [refund["status"] for refund in shown["refunds"]] == ["succeeded"]
    assert event.data["refunds"] == shown["refunds"]
    assert event.previous["refunds"][0]["status"] == "pending"
    assert (event.customer_id, event.subject) == (payment["customer"], payment["id"])
    read_again(desk, payment)
    assert desk.new_event_types() == []


def test_two_refunds_at_once_succeed_in_one_event(desk: Desk) -> None:
    payment = desk.sell(desk.price(refund_policy="keep"))
    desk.new_event_types()
    for amount in (100, 200):
        desk.tenant.stripe.v1.refunds.create(
            {"payment_intent": payment["stripe_id"], "amount": amount}
        )
    desk.drain()
    assert desk.new_event_types() == REFUNDED


def test_evidence_changes_an_open_dispute(desk: Desk) -> None:
    payment = desk.sell(desk.price(dispute_policy="keep"))
    dispute = desk.tenant.stripe.dispute(payment["stripe_id"])
    desk.drain()
    desk.new_event_types()
    desk.tenant.stripe.v1.disputes.update(
        dispute, {"evidence": {"uncategorized_text": "They used it."}, "submit": True}
    )
    desk.drain()
    assert desk.new_event_types() == ["payment.dispute_updated"]
    event = outbox_events.last(desk.project, "payment.dispute_updated")
    assert event.data["disputes"][0]["status"] == "under_review"
    assert event.previous["disputes"][0]["status"] == "needs_response"
    assert event.customer_id == payment["customer"]
    assert event.version == max(each.version for each in outbox_events.events(desk.project))
    read_again(desk, payment)
    assert desk.new_event_types() == []


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("reason", "fraudulent", "fraudulent"),
        ("amount", 700, {"amount": 700, "currency": "usd"}),
        ("evidence_due_by", 1_900_000_000, "2030-03-17T17:46:40Z"),
    ],
)
def test_what_the_bank_changes_in_an_open_dispute_is_an_event(
    desk: Desk, name: str, value: object, shown: object
) -> None:
    payment = desk.sell(desk.price(dispute_policy="keep"))
    dispute = desk.tenant.stripe.dispute(payment["stripe_id"], reason="general")
    desk.drain()
    desk.new_event_types()
    with desk.tenant.stripe.world.transaction() as tx:
        stored = tx.path_object(disputes.KIND, dispute)
        with tx.updating(stored, "charge.dispute.updated"):
            holder = stored["evidence_details"] if name == "evidence_due_by" else stored
            holder[name.removeprefix("evidence_")] = value
    desk.drain()
    assert "payment.dispute_updated" in desk.new_event_types()
    event = outbox_events.last(desk.project, "payment.dispute_updated")
    assert event.data["disputes"][0][name] == shown


def test_metadata_of_a_dispute_is_no_change(desk: Desk) -> None:
    payment = desk.sell(desk.price(dispute_policy="keep"))
    dispute = desk.tenant.stripe.dispute(payment["stripe_id"])
    desk.drain()
    desk.new_event_types()
    desk.tenant.stripe.v1.disputes.update(dispute, {"metadata": {"clerk": "7"}})
    desk.drain()
    assert desk.new_event_types() == []


def read_again(desk: Desk, payment: Json) -> None:
    """Stripe's next event about the payment makes us read all of it once more."""
    desk.tenant.stripe.v1.payment_intents.update(payment["stripe_id"], {"metadata": {"clerk": "7"}})
    desk.drain()
