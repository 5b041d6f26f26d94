"""Refunds, failed refunds and disputes change access by each policy."""

import pytest

from sandbox import bank
from tests.billing.tenant import Json
from tests.scenarios.story import Story


def paid_purchase(story: Story, *, interval: str | None = None, **policies: str) -> Json:
    """Ten seats and single sign-on for 100 dollars; the payment."""
    features = {"seats": 10, "sso": True}
    price = story.sells("Seats", 10_000, interval=interval, features=features, product=policies)
    story.buys(price)
    story.events()
    (paid,) = story.get("/payments")["data"]
    return dict(paid)


def refund(story: Story, payment: Json, amount: int) -> Json:
    return story.post(f"/payments/{payment['id']}/refunds", {"amount": amount})


def seats(story: Story) -> int | None:
    limit: int | None = story.check("seats")["limit"]
    return limit


@pytest.mark.parametrize(
    ("policy", "after_half", "after_all"),
    [
        ("revoke", (10, "entitled"), (0, "no: not_entitled")),
        ("keep", (10, "entitled"), (10, "entitled")),
        ("proportional", (5, "entitled"), (0, "no: not_entitled")),
    ],
)
@pytest.mark.parametrize("interval", [None, "month"])
def test_a_refund_ends_access_by_its_policy(
    story: Story,
    policy: str,
    after_half: tuple[int, str],
    after_all: tuple[int, str],
    interval: str | None,
) -> None:
    paid = paid_purchase(story, interval=interval, refund_policy=policy)
    for left, expected in ((5000, after_half), (0, after_all)):
        before = (seats(story), story.may("sso"))
        refund(story, paid, 5000)
        story.process_everything()
        assert (seats(story), story.may("sso")) == expected, left
        changed = ["entitlements.changed"] if before != expected else []
        is_revoked = interval is None and expected[1].startswith("no")
        assert sorted(story.events()) == [
            *(["checkout_line.revoked"] if is_revoked else []),
            *changed,
            "payment.refund_succeeded",
            "payment.refunded",
        ]
    if interval:
        story.advance(days=31, hours=2)
        assert (seats(story), story.may("sso")) == (10, "entitled")


def test_a_refunded_period_is_used_up_first(story: Story) -> None:
    paid = paid_purchase(story, interval="month", refund_policy="period_end")
    refund(story, paid, 10_000)
    story.process_everything()
    assert story.may("sso") == "entitled"
    assert story.check("sso")["valid_until"] is not None
    (subscription,) = story.get("/subscriptions/alice")["data"]
    story.delete(f"/subscriptions/alice/{subscription['items'][0]['product']}")
    story.advance(days=32)
    assert story.may("sso") == "no: not_entitled"


def test_a_refund_that_bounces_gives_access_back(story: Story) -> None:
    paid = paid_purchase(story)
    bounced_refund = refund(story, paid, 10_000)
    story.process_everything()
    assert story.may("sso") == "no: not_entitled"
    story.events()
    story.advance(days=3)
    bank.fail_refund(story.stripe.world, bounced_refund["stripe_id"])
    story.process_everything()
    assert story.may("sso") == "entitled"
    assert sorted(story.events()) == [
        "checkout_line.restored",
        "entitlements.changed",
        "payment.refund_failed",
    ]
    body = story.get(f"/payments/{paid['id']}")
    assert (body["status"], body["amount_refunded"]["amount"]) == ("paid", 0)
    refund(story, paid, 10_000)
    story.process_everything()
    assert story.get(f"/payments/{paid['id']}")["status"] == "refunded"


@pytest.mark.parametrize("outcome", ["won", "lost"])
@pytest.mark.parametrize("policy", ["hold", "keep"])
def test_a_dispute_suspends_access_until_it_is_decided(
    story: Story, outcome: str, policy: str
) -> None:
    paid = paid_purchase(story, dispute_policy=policy)
    story.advance(days=20)
    opened = bank.open_dispute(story.stripe.world, paid["stripe_id"])
    story.process_everything()
    held = policy == "hold"
    assert story.may("sso") == ("no: held" if held else "entitled")
    event_types = ["entitlements.changed"] if held else []
    assert sorted(story.events()) == [*event_types, "payment.disputed"]
    assert story.get(f"/payments/{paid['id']}")["status"] == "disputed"
    bank.decide_dispute(story.stripe.world, opened["id"], outcome)
    story.process_everything()
    won = outcome == "won"
    assert story.may("sso") == ("entitled" if won else "no: not_entitled")
    changes = held if won else True
    assert sorted(story.events()) == [
        *([] if won else ["checkout_line.revoked"]),
        *(["entitlements.changed"] if changes else []),
        "payment.dispute_closed",
    ]


def test_an_inquiry_holds_nothing_until_it_becomes_a_dispute(story: Story) -> None:
    paid = paid_purchase(story)
    opened = bank.open_dispute(story.stripe.world, paid["stripe_id"], inquiry=True)
    story.process_everything()
    assert story.may("sso") == "entitled"
    story.events()
    bank.decide_dispute(story.stripe.world, opened["id"], "escalated")
    story.process_everything()
    assert story.may("sso") == "no: held"
    bank.decide_dispute(story.stripe.world, opened["id"], "won")
    story.process_everything()
    assert story.may("sso") == "entitled"


def test_a_disputed_month_does_not_cost_the_next_one(story: Story) -> None:
    paid = paid_purchase(story, interval="month")
    opened = bank.open_dispute(story.stripe.world, paid["stripe_id"])
    bank.decide_dispute(story.stripe.world, opened["id"], "lost")
    story.process_everything()
    assert story.may("sso") == "no: not_entitled"
    story.advance(days=31, hours=2)
    assert story.may("sso") == "entitled"


@pytest.mark.parametrize(("case_type", "kept"), [("resolution", False), ("block", True)])
def test_a_prevented_dispute_is_lost_where_the_buyer_got_the_money(
    story: Story, case_type: str, kept: bool
) -> None:
    paid = paid_purchase(story)
    bank.open_prevented_dispute(story.stripe.world, paid["stripe_id"], case_type=case_type)
    story.process_everything()
    assert seats(story) == (10 if kept else 0)
    (shown,) = story.get("/disputes")["data"]
    assert (shown["status"], shown["outcome"]) == ("prevented", "won" if kept else "lost")
    assert story.get(f"/payments/{paid['id']}")["status"] == ("paid" if kept else "disputed")


def test_money_credited_by_a_downgrade_is_refunded_only_on_request(story: Story) -> None:
    small, large = story.sells("Small", 1000), story.sells("Large", 100_000)
    story.buys(large)
    (paid,) = story.get("/payments")["data"]
    story.advance(days=15)
    path = f"/subscriptions/alice/{large['product']}"
    story.patch(path, {"price": small["id"], "when": "now"})
    story.process_everything()
    refunds = f"/payments/{paid['id']}/refunds"
    for body in ({}, {"amount": 50_501}):
        assert story.refused(story.api.post(refunds, body)) == (409, "credited-to-balance")
    assert story.api.post(refunds).json()["credited"] == 49_500
    story.post(refunds, {"amount": 50_500})
    story.process_everything()
    assert story.refused(story.api.post(refunds, {"amount": 1})) == (409, "credited-to-balance")
    story.post(refunds, {"amount": 1, "credited_too": True})
