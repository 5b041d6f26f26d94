"""Refunds never exceed the captured amount and can be decided later."""

import pytest
import stripe

from sandbox.resources import refunds
from tests.sandbox.shop import NOW


def paid(client, token="pm_card_visa"):
    return client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "payment_method": token,
            "confirm": True,
            "return_url": "https://example.com",
        }
    )


def charge_of(client, intent):
    return client.v1.charges.retrieve(intent.latest_charge)


def test_partial_refunds_add_up(client, event_types):
    intent = paid(client)
    before = len(event_types())
    first = client.v1.refunds.create({"payment_intent": intent.id, "amount": 300})
    assert (first.status, first.amount, first.charge) == ("succeeded", 300, intent.latest_charge)
    charge = charge_of(client, intent)
    assert (charge.amount_refunded, charge.refunded) == (300, False)
    rest = client.v1.refunds.create({"charge": charge.id, "reason": "requested_by_customer"})
    assert rest.amount == 700
    charge = charge_of(client, intent)
    assert (charge.amount_refunded, charge.refunded) == (1000, True)
    one = ["refund.created", "charge.refunded", "refund.updated", "charge.refund.updated"]
    assert event_types()[before:] == one * 2
    listed = client.v1.refunds.list({"payment_intent": intent.id})
    assert [refund.id for refund in listed] == [rest.id, first.id]


def test_the_event_says_what_the_charge_was_before(client):
    intent = paid(client)
    client.v1.refunds.create({"payment_intent": intent.id})
    (event,) = client.v1.events.list({"type": "charge.refunded"}).data
    assert event.data.previous_attributes.to_dict() == {"amount_refunded": 0, "refunded": False}


def test_a_refund_never_exceeds_what_is_left(client):
    intent = paid(client)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 300})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 701})
    assert refused.value.param == "amount"
    client.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1})
    assert refused.value.code == "charge_already_refunded"
    assert charge_of(client, intent).amount_refunded == 1000


@pytest.mark.parametrize("amount", [0, -5])
def test_an_amount_is_positive(client, amount):
    intent = paid(client)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": amount})
    assert refused.value.param == "amount"


def test_what_was_not_paid_is_not_refunded(client):
    intent = client.v1.payment_intents.create({"amount": 1000, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"reason": "fraudulent"})
    assert refused.value.code == "parameter_missing"


def test_only_the_captured_part_goes_back(client):
    intent = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "capture_method": "manual",
            "confirm": True,
            "return_url": "https://example.com",
        }
    )
    with pytest.raises(stripe.InvalidRequestError, match="not been captured"):
        client.v1.refunds.create({"charge": intent.latest_charge})
    client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 400})
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 400
    assert charge_of(client, intent).refunded is True


def decide_refunds(world, at):
    world.move_clock(at)
    with world.transaction() as tx:
        refunds.decide_due(tx)


def test_a_refund_that_succeeds_later(world, client, event_types):
    intent = paid(client, "pm_card_pendingRefund")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, refund.balance_transaction) == ("pending", None)
    assert charge_of(client, intent).refunded is True
    due = NOW + refunds.DECISION_DELAY_SECONDS
    decide_refunds(world, due - 1)
    assert client.v1.refunds.retrieve(refund.id).status == "pending"
    decide_refunds(world, due)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert event_types()[-2:] == ["refund.updated", "charge.refund.updated"]


def test_a_refund_that_fails_later_gives_the_money_back_to_the_account(world, client, event_types):
    intent = paid(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 250})
    assert refund.status == "succeeded"
    decide_refunds(world, NOW + refunds.DECISION_DELAY_SECONDS)
    failed = client.v1.refunds.retrieve(
        refund.id, {"expand": ["failure_balance_transaction", "balance_transaction"]}
    )
    assert (failed.status, failed.failure_reason) == ("failed", "unknown")
    assert failed.balance_transaction.amount == -250
    assert failed.failure_balance_transaction.amount == 250
    charge = charge_of(client, intent)
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert "refund.failed" in event_types()
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 1000


def test_the_metadata_of_a_refund_can_change(client):
    refund = client.v1.refunds.create({"payment_intent": paid(client).id, "metadata": {"a": "1"}})
    assert client.v1.refunds.update(refund.id, {"metadata": {"b": "2"}}).metadata.to_dict() == {
        "a": "1",
        "b": "2",
    }


def test_refunds_make_balance_transactions(client, world):
    intent = paid(client)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 300})
    entries = client.v1.balance_transactions.list().data
    assert [(entry.type, entry.amount, entry.fee, entry.net) for entry in entries] == [
        ("refund", -300, 0, -300),
        ("charge", 1000, 59, 941),
    ]
    assert entries[1].status == "pending"
    world.move_clock(NOW + 3 * 86400)
    assert client.v1.balance_transactions.retrieve(entries[1].id).status == "available"
