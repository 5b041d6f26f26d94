"""Disputes are opened, answered, won or lost, and move their money."""

import json

import pytest
import stripe
from werkzeug.test import Client

from sandbox import bank, disputes
from sandbox.app import SandboxApplication
from sandbox.errors import StripeFailure
from tests.sandbox.shop import DAY, NOW


def paid(shop, token="pm_card_visa"):
    intent = shop.client.v1.payment_intents.create(
        {"amount": 1000, "currency": "usd", "payment_method": token, "confirm": True,
         "return_url": "https://example.com"}
    )  # fmt: skip
    shop.news()
    return intent


def dispute_entries(shop):
    entries = shop.client.v1.balance_transactions.list().data
    return [
        (entry.reporting_category, entry.amount, entry.fee)
        for entry in reversed(entries)
        if entry.type == "adjustment"
    ]


@pytest.mark.parametrize(
    ("token", "reason", "status", "events"),
    [
        ("pm_card_createDispute", "fraudulent", "needs_response", ["created", "funds_withdrawn"]),
        ("pm_card_createDisputeProductNotReceived", "product_not_received", "needs_response",
         ["created", "funds_withdrawn"]),
        ("pm_card_createDisputeInquiry", "fraudulent", "warning_needs_response", ["created"]),
    ],
)  # fmt: skip
def test_dispute_cards_open_disputes(shop, token, reason, status, events):
    intent = paid(shop, token)
    shop.later(seconds=disputes.OPENED_AFTER_SECONDS - 1)
    assert shop.client.v1.disputes.list({"payment_intent": intent.id}).data == []
    shop.later(seconds=1)
    (dispute,) = shop.client.v1.disputes.list({"charge": intent.latest_charge}).data
    assert dispute.id.startswith("du_")
    assert (dispute.reason, dispute.status, dispute.amount) == (reason, status, 1000)
    assert dispute.is_charge_refundable is (status == "warning_needs_response")
    assert len(dispute.balance_transactions) == len(events) - 1
    assert shop.news() == [f"charge.dispute.{name}" for name in events]
    charge = shop.client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.disputed, charge.paid, charge.amount_refunded) == (True, True, 0)


def test_evidence_wins_or_loses(shop):
    for words, status, events, entries in [
        ("winning_evidence", "won", ["updated", "funds_reinstated", "closed"],
         [("dispute", -1000, 1500), ("dispute_reversal", 1000, 0)]),
        ("losing_evidence", "lost", ["updated", "closed"], [("dispute", -1000, 1500)]),
    ]:  # fmt: skip
        before = len(dispute_entries(shop))
        dispute = bank.open_dispute(shop.world, paid(shop).id)
        shop.news()
        done = shop.client.v1.disputes.update(
            dispute["id"], {"evidence": {"uncategorized_text": words}}
        )
        assert (done.status, done.evidence_details.submission_count) == (status, 1)
        assert shop.news() == [f"charge.dispute.{name}" for name in events]
        assert dispute_entries(shop)[before:] == entries
        with pytest.raises(stripe.InvalidRequestError, match="evidence can no longer be sent"):
            shop.client.v1.disputes.update(
                dispute["id"], {"evidence": {"uncategorized_text": "more"}}
            )


def test_evidence_can_be_staged_and_left_to_the_bank(shop):
    dispute = bank.open_dispute(shop.world, paid(shop).id, amount=400)
    staged = shop.client.v1.disputes.update(
        dispute["id"],
        {"evidence": {"product_description": "A plan"}, "submit": False, "metadata": {"a": "b"}},
    )
    assert (staged.status, staged.evidence_details.has_evidence) == ("needs_response", True)
    sent = shop.client.v1.disputes.update(dispute["id"], {"submit": True})
    assert (sent.status, sent.evidence.product_description) == ("under_review", "A plan")
    shop.later(30)
    shop.news()
    assert bank.decide_dispute(shop.world, dispute["id"], "won")["status"] == "won"
    assert shop.news() == [
        "charge.dispute.updated", "charge.dispute.funds_reinstated", "charge.dispute.closed"
    ]  # fmt: skip
    assert dispute_entries(shop)[-1] == ("dispute_reversal", 400, 0)
    with pytest.raises(StripeFailure, match="cannot become lost"):
        bank.decide_dispute(shop.world, dispute["id"], "lost")


def test_closing_and_silence_lose(shop):
    first, second = (bank.open_dispute(shop.world, paid(shop).id) for _ in range(2))
    shop.news()
    assert shop.client.v1.disputes.close(first["id"]).status == "lost"
    assert shop.news() == ["charge.dispute.closed"]
    shop.until(NOW + 7 * DAY)
    lost = shop.client.v1.disputes.retrieve(second["id"])
    assert (lost.status, lost.evidence_details.past_due) == ("lost", True)
    assert shop.news() == ["charge.dispute.closed"]
    with pytest.raises(stripe.InvalidRequestError, match="needs a response"):
        shop.client.v1.disputes.close(first["id"])


def test_an_inquiry_can_become_a_dispute(shop):
    intent = paid(shop)
    inquiry = bank.open_dispute(shop.world, intent.id, inquiry=True)
    shop.news()
    raised = shop.client.v1.disputes.update(
        inquiry["id"], {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}}
    )
    assert (raised.status, raised.payment_method_details.card.case_type) == (
        "needs_response", "chargeback",
    )  # fmt: skip
    assert shop.news() == [
        "charge.dispute.updated", "charge.dispute.updated", "charge.dispute.funds_withdrawn"
    ]  # fmt: skip
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"
    answered = bank.open_dispute(shop.world, paid(shop).id, inquiry=True)
    shop.client.v1.disputes.update(
        answered["id"], {"evidence": {"uncategorized_text": "winning_evidence"}}
    )
    assert shop.client.v1.disputes.retrieve(answered["id"]).status == "warning_closed"
    intent = paid(shop)
    refunded = bank.open_dispute(shop.world, intent.id, inquiry=True)
    shop.client.v1.refunds.create({"payment_intent": intent.id})
    assert shop.client.v1.disputes.retrieve(refunded["id"]).status == "warning_closed"
    assert dispute_entries(shop) == [("dispute", -1000, 1500)]


def test_dispute_controls_refuse_invalid_requests(shop):
    browser = Client(SandboxApplication(shop.world))

    def post(path, **data):
        answer = browser.post(
            f"/_sandbox{path}", data=json.dumps(data), content_type="application/json"
        )
        return answer.status_code, answer.get_json()

    intent = paid(shop)
    status, dispute = post(f"/disputes/{intent.latest_charge}", reason="duplicate", amount=600)
    assert (status, dispute["status"], dispute["amount"]) == (200, "needs_response", 600)
    assert post(f"/disputes/{intent.id}")[0] == 400
    assert post("/disputes/pi_no")[0] == 404
    assert post(f"/disputes/{dispute['id']}/resolve", status="warning_closed")[0] == 400
    assert post(f"/disputes/{dispute['id']}/resolve", status="lost")[1]["status"] == "lost"
    refund = shop.client.v1.refunds.create({"payment_intent": paid(shop).id})
    shop.news()
    assert post(f"/refunds/{refund.id}/fail")[1]["status"] == "failed"
    assert shop.news() == [
        "refund.updated", "refund.failed", "charge.refund.updated", "charge.updated"
    ]  # fmt: skip
    assert post(f"/refunds/{refund.id}/fail")[0] == 400
    with pytest.raises(stripe.InvalidRequestError, match="cannot be canceled"):
        shop.client.v1.refunds.cancel(refund.id)
