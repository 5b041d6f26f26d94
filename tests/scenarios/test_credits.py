"""Credits that come with purchases are renewed, spent, refunded and disputed."""

from datetime import datetime

import pytest

from billing.access.line_shares import RefundedMoney
from billing.models import Payment
from billing.payments import credit_effects
from sandbox import bank
from tests.billing.tenant import Json
from tests.scenarios.story import Story

ALICE = "/credits/alice"


def sells(
    story: Story,
    name: str,
    amount: int,
    price: int = 10_000,
    *,
    interval: str | None = "month",
    days: int | None = None,
    priority: int = 50,
    **policies: str,
) -> Json:
    """A product that brings credits, by its price."""
    brings = {"amount": amount, "expires_after_days": days, "priority": priority}
    return story.sells(name, price, interval=interval, product={"credits": brings, **policies})


def previewed(payment_id: str, amount: int, at: datetime) -> tuple[int, int]:
    """What a refund would leave of the credits, and how many were spent beyond what is due."""
    payment = Payment.objects.across_projects().get(pk=payment_id)
    (seen,) = credit_effects.preview_credits(
        payment=payment, refund=RefundedMoney(amount, {}), at=at
    )
    return seen.after, seen.overspent


def balance(story: Story) -> int:
    return int(story.get(ALICE)["balance"])


def spend(story: Story, amount: int) -> int:
    return int(story.post(f"{ALICE}/spend", {"amount": amount})["balance"])


def grants(story: Story, *names: str) -> list[tuple[object, ...]]:
    """These figures of every grant, the oldest first."""
    rows = story.get(f"{ALICE}/grants")["data"][::-1]
    return [tuple(row[name] for name in names) for row in rows]


def credit_events(story: Story) -> list[str]:
    return [each for each in story.events() if each.startswith("credits.")]


def last_payment(story: Story) -> Json:
    return dict(story.get("/payments")["data"][0])


def test_a_renewal_leaves_bought_credits_alone(story: Story) -> None:
    story.buys(sells(story, "Pack", 500, interval=None, priority=60))
    story.buys(sells(story, "Pro", 100))
    story.post(f"{ALICE}/grant", {"amount": 7, "reason": "Welcome."})
    assert balance(story) == 607
    assert spend(story, 40) == 567
    for month in range(1, 4):
        story.advance(days=31, hours=2)
        assert balance(story) == 607, month
        assert spend(story, 100) == 507, month
    grant_rows = grants(story, "amount", "spent", "expired", "available")
    assert grant_rows == [
        (500, 0, 0, 500),
        (100, 40, 60, 0),
        (7, 0, 0, 7),
        *[(100, 100, 0, 0)] * 3,
    ]
    sources = [row["source"] for row in story.get(f"{ALICE}/grants")["data"]]
    assert {source["type"] for source in sources} == {
        "checkout",
        "subscription",
        "operator",
    }
    granted, expired = "credits.granted", "credits.expired"
    assert credit_events(story) == [*[granted] * 4, expired, *[granted] * 2]


def test_credits_with_rollover_outlive_their_period(story: Story) -> None:
    price = sells(story, "Pro", 100, days=60)
    story.buys(price)
    spend(story, 30)
    story.advance(days=31, hours=2)
    assert balance(story) == 170
    story.advance(days=30)
    assert balance(story) == 200
    story.delete(f"/subscriptions/alice/{price['product']}?when=now")
    story.process_everything()
    assert balance(story) == 200
    story.advance(days=62)
    assert balance(story) == 0


def test_units_multiply_credits_and_exhaustion_is_recorded_once(story: Story) -> None:
    story.buys(sells(story, "Pack", 50, interval=None), quantity=3)
    assert balance(story) == 150
    story.events()
    spend(story, 140)
    spend(story, 9)
    spend(story, 1)
    assert credit_events(story) == ["credits.low", "credits.exhausted"]
    assert story.payload("credits.exhausted")["balance"] == 0


def test_a_cancelled_subscription_keeps_its_credits_to_the_end(story: Story) -> None:
    price = sells(story, "Pro", 100)
    story.buys(price)
    story.patch(f"/subscriptions/alice/{price['product']}", {"cancel_at_period_end": True})
    story.advance(days=20)
    assert balance(story) == 100
    story.advance(days=12)
    assert balance(story) == 0
    assert grants(story, "expired", "overspent") == [(100, 0)]


def test_an_immediate_cancellation_ends_plan_credits(story: Story) -> None:
    price = sells(story, "Pro", 100)
    story.buys(price)
    spend(story, 30)
    story.delete(f"/subscriptions/alice/{price['product']}?when=now")
    story.process_everything()
    assert balance(story) == 0
    assert grants(story, "spent", "expired", "overspent") == [(30, 70, 0)]


def test_while_a_payment_is_overdue_the_new_credits_wait(story: Story) -> None:
    story.buys(sells(story, "Pro", 100))
    story.post(f"{ALICE}/grant", {"amount": 7, "reason": "Welcome."})
    story.declines()
    story.advance(days=31, hours=2)
    assert (balance(story), story.get(ALICE)["withheld"]) == (7, 0)
    story.accepts()
    story.advance(days=6)
    assert (balance(story), story.get(ALICE)["withheld"]) == (107, 0)


@pytest.mark.parametrize(
    ("policy", "after_half", "after_all"),
    [
        ("revoke", (60, 0), (0, 40)),
        ("proportional", (10, 0), (0, 40)),
        ("keep", (60, 0), (60, 0)),
    ],
)
@pytest.mark.parametrize("interval", [None, "month"])
def test_a_refund_takes_credits_back(
    story: Story,
    policy: str,
    after_half: tuple[int, int],
    after_all: tuple[int, int],
    interval: str | None,
) -> None:
    """Of 100 credits 40 are spent: never more than the other 60 is taken."""
    story.buys(sells(story, "Pack", 100, interval=interval, refund_policy=policy))
    story.post(f"{ALICE}/grant", {"amount": 7, "reason": "Welcome."})
    spend(story, 40)
    paid = last_payment(story)
    for expected in (after_half, after_all):
        assert previewed(paid["id"], 5000, story.now) == expected
        story.post(f"/payments/{paid['id']}/refunds", {"amount": 5000})
        story.process_everything()
        left, overspent = grants(story, "available", "overspent")[0]
        assert (left, overspent) == expected
        assert balance(story) == 7 + expected[0]
    if interval:
        story.advance(days=31, hours=2)
        assert balance(story) == 107


def test_a_refund_that_bounces_gives_the_credits_back(story: Story) -> None:
    story.buys(sells(story, "Pack", 100, interval=None))
    spend(story, 40)
    paid = last_payment(story)
    body = story.post(f"/payments/{paid['id']}/refunds", {"amount": 10_000})
    story.process_everything()
    assert balance(story) == 0
    story.advance(days=3)
    bank.fail_refund(story.stripe.world, body["stripe_id"])
    story.process_everything()
    assert balance(story) == 60
    assert grants(story, "given", "spent", "overspent") == [(100, 40, 0)]
    moves = [each["movement"] for each in story.get(f"{ALICE}/entries")["data"]]
    assert moves == ["grant", "take_back", "spend", "grant"]


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_disputed_credits_are_withheld_until_the_decision(story: Story, outcome: str) -> None:
    story.buys(sells(story, "Pack", 100, interval=None))
    spend(story, 40)
    opened = bank.open_dispute(story.stripe.world, last_payment(story)["stripe_id"])
    story.process_everything()
    assert (balance(story), story.get(ALICE)["withheld"]) == (0, 60)
    assert story.refused(story.api.post(f"{ALICE}/spend", {"amount": 1})) == (
        409,
        "not-enough-credits",
    )
    bank.decide_dispute(story.stripe.world, opened["id"], outcome)
    story.process_everything()
    won = outcome == "won"
    assert (balance(story), story.get(ALICE)["withheld"]) == (60 if won else 0, 0)
    assert grants(story, "overspent") == [(0 if won else 40,)]


def test_new_credits_of_a_product_count_from_now_on(story: Story) -> None:
    price = sells(story, "Pro", 100)
    story.buys(price)
    pack = sells(story, "Pack", 10, interval=None)
    story.buys(pack)
    for each in (price, pack):
        story.patch(f"/products/{each['product']}", {"credits": {"amount": 300}})
    story.process_everything()
    assert balance(story) == 110
    shown = story.get(f"/products/{price['product']}")["credits"]
    assert shown == {"amount": 300, "priority": 50, "expires_after_days": None}
    story.advance(days=31, hours=2)
    assert balance(story) == 310
    story.patch(f"/products/{price['product']}", {"credits": None})
    story.advance(days=31)
    assert balance(story) == 10
    assert story.get(f"/products/{price['product']}")["credits"] is None
