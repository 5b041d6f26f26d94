"""Refunds and disputes reduce access by the policies of the product."""

from itertools import product

import pytest
from django.utils import timezone

from billing.access.line_shares import RefundedMoney
from billing.models import Payment
from billing.models.product import RefundPolicy
from billing.payments import refund_effects
from tests.billing.payments.refund_desk import ALL, CHANGED, NONE, REFUNDED, Answers, Desk
from tests.billing.tenant import Tenant
from tests.prepared_world import forgotten
from tests.sandbox_stripe import Clock


@pytest.mark.parametrize(
    ("policy", "after_a_third", "after_all"),
    [
        ("revoke", (ALL, False), (NONE, True)),
        ("proportional", (("entitled", 6), True), (NONE, True)),
        ("period_end", (ALL, False), (NONE, True)),
        ("keep", (ALL, False), (ALL, False)),
    ],
)
def test_refunds_of_a_purchase(
    desk: Desk, policy: str, after_a_third: tuple[Answers, bool], after_all: tuple[Answers, bool]
) -> None:
    """Exactly what the policy says, told exactly when an answer changed; a refund that fails
    brings everything back."""
    payment = desk.sell(desk.price(refund_policy=policy))
    assert desk.has() == ALL
    desk.new_event_types()
    for amount, (answers, changes) in ((333, after_a_third), (667, after_all)):
        new_refund = desk.refund(payment, amount=amount)
        assert desk.has() == answers
        assert desk.new_event_types() == [
            *REFUNDED,
            *(["checkout_line.revoked"] if answers == NONE else []),
            *([CHANGED] if changes else []),
        ]
    desk.tenant.stripe.bounce(new_refund["stripe_id"])
    desk.drain()
    assert desk.has() == after_a_third[0]
    assert desk.new_event_types() == [
        "payment.refund_failed",
        *(["checkout_line.restored", CHANGED] if after_all[1] else []),
    ]
    shown_payment = desk.payment(payment)
    assert (shown_payment["status"], shown_payment["amount_refunded"]["amount"]) == (
        "partially_refunded",
        333,
    )
    failed = desk.tenant.api.get(f"/refunds/{new_refund['id']}").json()
    assert (failed["status"], failed["failure_reason"]) == ("failed", "unknown")
    assert desk.refund(payment)["amount"]["amount"] == 667
    assert desk.has() == after_all[0]


def test_a_change_of_policy_counts_for_money_that_went_back_before(desk: Desk) -> None:
    price = desk.price()
    desk.refund(desk.sell(price))
    path = f"/products/{price['product']}"
    assert desk.has() == NONE
    for policy, answers in (("keep", ALL), ("proportional", NONE), ("keep", ALL)):
        changed = desk.tenant.api.patch(path, {"refund_policy": policy})
        assert (changed.status_code, changed.json()["refund_policy"]) == (200, policy)
        desk.drain()
        assert desk.has() == answers
    for body in ({"refund_policy": "never"}, {"dispute_policy": None}, {"refund_policy": ""}):
        assert desk.tenant.api.patch(path, body).status_code == 422
    response_body = desk.tenant.api.get(path).json()
    assert (response_body["refund_policy"], response_body["dispute_policy"]) == ("keep", "hold")


@pytest.mark.parametrize("policy", ["hold", "keep"])
@pytest.mark.parametrize(("outcome", "left"), [("won", ALL), ("lost", NONE)])
def test_a_dispute_suspends_access_until_it_is_decided(
    desk: Desk, policy: str, outcome: str, left: Answers
) -> None:
    payment = desk.sell(desk.price(dispute_policy=policy))
    desk.new_event_types()
    contested = desk.tenant.stripe.dispute(payment["stripe_id"])
    desk.drain()
    held = policy == "hold"
    assert desk.has() == (("held", 0) if held else ALL)
    assert desk.new_event_types() == ["payment.disputed", *([CHANGED] if held else [])]
    shown_payment = desk.payment(payment)
    assert (shown_payment["status"], shown_payment["amount_disputed"]["amount"]) == (
        "disputed",
        1000,
    )
    (dispute,) = shown_payment["disputes"]
    assert (dispute["outcome"], dispute["is_inquiry"], dispute["amount"]["amount"]) == (
        None,
        False,
        1000,
    )
    refused = desk.tenant.api.post(f"/payments/{payment['id']}/refunds", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-to-refund")
    desk.tenant.stripe.decide(contested, outcome)
    desk.drain()
    assert desk.has() == left
    changes = held if outcome == "won" else True
    assert desk.new_event_types() == [
        "payment.dispute_closed",
        *(["checkout_line.revoked"] if outcome == "lost" else []),
        *([CHANGED] if changes else []),
    ]
    shown_payment = desk.payment(payment)
    gone = 1000 if outcome == "lost" else 0
    assert shown_payment["disputes"][0]["outcome"] == outcome
    assert shown_payment["amount_disputed"]["amount"] == gone
    assert shown_payment["status"] == ("disputed" if gone else "paid")


def test_a_lost_dispute_after_a_partial_refund(desk: Desk) -> None:
    """Together they are all of the money; what is left to refund is never more than nothing."""
    payment = desk.sell(desk.price(refund_policy="proportional"))
    desk.refund(payment, amount=400)
    contested = desk.tenant.stripe.dispute(payment["stripe_id"], amount=500)
    desk.drain()
    assert desk.has() == ("held", 0)
    desk.tenant.stripe.decide(contested, "lost")
    desk.drain()
    assert desk.has() == ("entitled", 1)
    shown_payment = desk.payment(payment)
    amounts = [shown_payment[name]["amount"] for name in ("amount_refunded", "amount_disputed")]
    assert (shown_payment["status"], amounts) == ("disputed", [400, 500])


def test_an_inquiry_holds_nothing_until_it_becomes_more(desk: Desk) -> None:
    payment = desk.sell(desk.price())
    desk.new_event_types()
    dispute_id = desk.tenant.stripe.dispute(payment["stripe_id"], inquiry=True)
    desk.drain()
    assert (desk.has(), desk.new_event_types()) == (ALL, ["payment.disputed"])
    shown_payment = desk.payment(payment)
    assert (shown_payment["status"], shown_payment["amount_disputed"]["amount"]) == ("paid", 0)
    assert shown_payment["disputes"][0]["is_inquiry"] is True
    desk.tenant.stripe.v1.disputes.update(
        dispute_id,
        {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}, "submit": True},
    )
    desk.drain()
    assert (desk.has(), desk.new_event_types()) == (("held", 0), ["payment.disputed", CHANGED])
    desk.tenant.stripe.decide(dispute_id, "won")
    desk.drain()
    assert (desk.has(), desk.new_event_types()) == (ALL, ["payment.dispute_closed", CHANGED])

    other = desk.sell(desk.price(), "bob")
    dispute_id = desk.tenant.stripe.dispute(other["stripe_id"], inquiry=True)
    desk.refund(other)
    desk.drain()
    assert desk.has("bob") == NONE
    (closed,) = desk.payment(other)["disputes"]
    assert (closed["status"], closed["outcome"]) == ("warning_closed", "won")


def test_the_refund_preview_equals_the_effect(desk: Desk, clock: Clock) -> None:
    """For every policy, in part and in full, of a purchase and of a subscription."""
    for number, (policy, interval) in enumerate(product(RefundPolicy.values, [None, "month"])):
        user_id = f"user-{number}"
        bought = desk.sell(desk.price(interval=interval, refund_policy=policy), user_id)
        row = Payment.objects.for_project(desk.project).get(pk=bought["id"])
        for amount in (333, 1000):
            effects = refund_effects.preview_decisions(
                payment=row, refund=RefundedMoney(amount, {}), at=timezone.now()
            )
            assert {effect.before.feature for effect in effects} == {"export", "seats"}
            for effect in effects:
                assert desk.decides_as(effect.before, user_id)
            with forgotten(desk.tenant.stripe):
                desk.refund(bought, amount=amount)
                for effect in effects:
                    assert desk.decides_as(effect.after, user_id), (policy, interval, amount)


def test_disputes_are_listed(desk: Desk, neighbour: Tenant) -> None:
    payment = desk.sell(desk.price())
    stripe_id = desk.tenant.stripe.dispute(payment["stripe_id"])
    desk.drain()
    api = desk.tenant.api
    (shown,) = api.get("/disputes").json()["data"]
    assert (shown["stripe_id"], shown["payment"]) == (stripe_id, payment["id"])
    assert shown["evidence_due_by"] > shown["opened_at"]
    assert api.get(f"/disputes/{shown['id']}").json() == shown
    for query, expected in (
        ({"payment": payment["id"]}, [shown]),
        ({"user_id": "alice"}, [shown]),
        ({"user_id": "bob"}, []),
        ({"status": "needs_response"}, [shown]),
        ({"status": "won"}, []),
    ):
        assert api.get("/disputes", query=query).json()["data"] == expected
    assert api.get("/disputes", query={"payment": "pi_1"}).status_code == 422
    assert neighbour.api.get("/disputes").json()["data"] == []
    assert neighbour.api.get(f"/disputes/{shown['id']}").status_code == 404
