"""Quotas, credits and free features are used, warned of, refused, raised and renewed."""

import pytest

from sandbox import bank
from tests.billing.tenant import Json
from tests.scenarios.story import Story

RENEWED = [
    "invoice.drafted",
    "invoice.finalized",
    "invoice.paid",
    "payment.created",
    "payment.paid",
    "subscription.renewed",
]
METERED = {"kind": "metered", "meter": "calls", "period": "month", "anchored": True}


def consume(story: Story, amount: int, feature: str = "calls", user_id: str = "alice") -> int:
    """How much of it was allowed: all or nothing."""
    body = {"user_id": user_id, "feature": feature, "amount": amount}
    response_body = story.post("/entitlements/consume", body)
    assert response_body["allowed"] is (response_body["consumed"] > 0), response_body
    return int(response_body["consumed"])


def usage_counts(story: Story, user_id: str = "alice") -> tuple[int, int, int]:
    """Limit, used and remaining."""
    decision = story.check("calls", user_id)
    return decision["limit"], decision["used"], decision["remaining"]


def check_feature(story: Story, feature: str, user_id: str = "alice", **query: str) -> Json:
    body = {"user_id": user_id, "feature": feature, **query}
    return story.get("/entitlements/check", **body)


@pytest.fixture
def plans(story: Story) -> tuple[Json, Json]:
    """A hundred calls a month, a thousand a month."""
    story.post("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
    story.post("/features", {"code": "calls", "name": "Calls", **METERED})
    return (
        story.sells("Small", 1000, features={"calls": 100}),
        story.sells("Big", 5000, features={"calls": 1000}),
    )


def test_a_quota_is_warned_of_refused_raised_and_renewed(
    story: Story, plans: tuple[Json, Json]
) -> None:
    small, big = plans
    story.buys(small)
    story.events()
    began = story.now
    assert usage_counts(story) == (100, 0, 100)
    story.advance(hours=2)
    assert consume(story, 79) == 79
    assert story.events() == []
    assert consume(story, 1) == 1
    story.process_everything()
    assert story.events() == ["usage.threshold_reached"]
    assert consume(story, 21) == 0
    assert (usage_counts(story), story.events()) == ((100, 80, 20), [])
    assert consume(story, 20) == 20
    story.process_everything()
    assert story.events() == ["usage.limit_reached"]
    assert (consume(story, 1), story.may("calls")) == (0, "no: limit_reached")

    story.advance(hours=5)
    story.patch(f"/subscriptions/alice/{small['product']}", {"price": big["id"]})
    story.process_everything()
    assert usage_counts(story) == (1000, 100, 900)
    assert consume(story, 700) == 700
    story.process_everything()
    assert story.events().count("usage.threshold_reached") == 1

    then = check_feature(story, "calls", at=began.isoformat())
    assert (then["limit"], then["used"]) == (100, 0)
    story.advance(days=31)
    assert usage_counts(story) == (1000, 0, 1000)
    assert sorted(story.events()) == RENEWED


def test_use_that_is_only_reported_counts_and_is_corrected(
    story: Story, plans: tuple[Json, Json]
) -> None:
    """What has happened has happened: records go over a limit, which then is reached."""
    story.buys(plans[0])
    story.events()
    late = {"user_id": "alice", "meter": "calls", "value": 70, "key": "job-1"}
    statuses = [story.post("/usage", late)["status"] for _ in range(3)]
    assert statuses == ["recorded", "duplicate", "duplicate"]
    wrong = story.post("/usage", {**late, "key": "job-2"})
    story.process_everything()
    assert usage_counts(story) == (100, 140, 0)
    assert (story.may("calls"), story.events()[-1]) == ("no: limit_reached", "usage.limit_reached")
    story.post(f"/usage/{wrong['id']}/correct", {"value": 7})
    assert (usage_counts(story), consume(story, 23)) == ((100, 77, 23), 23)
    story.process_everything()
    assert story.events() == ["usage.corrected"]


def test_a_reservation_cannot_be_used_by_others(story: Story, plans: tuple[Json, Json]) -> None:
    story.buys(plans[0])
    reservation_body = {"user_id": "alice", "feature": "calls", "amount": 60, "expires_in": 600}
    first = story.post("/entitlements/reserve", reservation_body)["reservation"]
    assert story.post("/entitlements/reserve", reservation_body)["reservation"] is None
    assert (consume(story, 41), consume(story, 40)) == (0, 40)
    done = story.post("/entitlements/commit", {"reservation": first["id"], "amount": 25})
    assert done["reservation"]["status"] == "committed"
    assert usage_counts(story) == (100, 65, 35)
    story.post("/entitlements/reserve", {**reservation_body, "amount": 35})
    assert consume(story, 1) == 0
    story.advance(minutes=11)
    assert consume(story, 35) == 35


def test_the_free_tier_holds_and_changes_for_every_user(
    story: Story, plans: tuple[Json, Json]
) -> None:
    story.put("/free-tier", {"features": [{"feature": "calls", "value": 5}]})
    assert (story.may("calls", "nobody"), consume(story, 5, user_id="bob")) == ("free_tier", 5)
    assert story.may("calls", "bob") == "no: limit_reached"
    story.buys(plans[0])
    story.advance(minutes=5)
    story.events()
    story.put("/free-tier", {"features": [{"feature": "calls", "value": 20}]})
    story.process_everything()
    assert usage_counts(story, "bob") == (20, 5, 15)
    assert usage_counts(story) == (100, 0, 100)
    changed = [each for each in story.events() if each == "entitlements.changed"]
    assert changed == ["entitlements.changed"], "bob's answer is another one, alice's is not"
    assert story.payload("entitlements.changed")["user_id"] == "bob"


def test_editing_a_product_reaches_its_holders(story: Story, plans: tuple[Json, Json]) -> None:
    story.buys(plans[0])
    story.buys(plans[1], "bob")
    story.events()
    product = f"/products/{plans[0]['product']}"
    more = {"features": [{"feature": "calls", "value": 250}]}
    story.post(f"{product}/preview", more)
    story.process_everything()
    assert (usage_counts(story), story.events()) == ((100, 0, 100), [])
    story.patch(product, more)
    story.process_everything()
    assert (usage_counts(story), usage_counts(story, "bob")) == ((250, 0, 250), (1000, 0, 1000))
    assert story.events() == [
        "product.updated",
        "rollout.started",
        "entitlements.changed",
        "rollout.completed",
    ]
    assert story.payload("entitlements.changed")["user_id"] == "alice"


def test_credits_of_a_plan_renew_beside_bought_ones(story: Story) -> None:
    story.post("/features", {"code": "image", "name": "Image", "kind": "credits"})
    credits = {"credits": {"amount": 30}}
    plan = story.sells("Plan", 2000, features={"image": 3}, product=credits)
    pack = story.sells("Pack", 900, interval=None, product={"credits": {"amount": 100}})
    story.buys(plan)
    checkout = story.buys(pack)
    assert story.get("/credits/alice")["balance"] == 130
    assert (consume(story, 11, "image"), story.get("/credits/alice")["balance"]) == (11, 97)
    story.advance(days=31)
    assert story.get("/credits/alice")["balance"] == 97 + 30, "the rest of the plan's was used up"
    assert consume(story, 10, "image") == 10
    story.advance(days=31)
    assert story.get("/credits/alice")["balance"] == 127, "the plan's begin again at thirty"
    story.post(f"/payments/{checkout['payment']}/refunds", {})
    story.process_everything()
    assert story.get("/credits/alice")["balance"] == 30
    assert consume(story, 11, "image") == 0
    assert story.may("image") == "entitled"
    assert consume(story, 10, "image") == 10
    assert story.may("image") == "no: credits_exhausted"


def test_a_dispute_withholds_credits_until_it_is_won(story: Story) -> None:
    pack = story.sells("Pack", 900, interval=None, product={"credits": {"amount": 100}})
    checkout = story.buys(pack)
    (paid,) = story.get("/payments")["data"]
    assert paid["id"] == checkout["payment"]
    opened = bank.open_dispute(story.stripe.world, paid["stripe_id"])
    story.process_everything()
    assert story.get("/credits/alice")["balance"] == 0
    bank.decide_dispute(story.stripe.world, opened["id"], "won")
    story.process_everything()
    assert story.get("/credits/alice")["balance"] == 100


def test_a_decision_is_explained_at_any_time(story: Story, plans: tuple[Json, Json]) -> None:
    """Grace after a failed payment, an ending that is planned, what a purchase would give."""
    before = story.now
    story.advance(hours=1)
    price = story.sells("Pro", 2900, features={"sso": True})
    story.buys(price)
    bought = story.now
    story.declines()
    story.advance(days=31, hours=2)
    why = check_feature(story, "sso", explain="1")
    assert (why["reason"], why["valid_until"] is not None) == ("grace", True)
    assert why["explanation"]["sentence"].endswith(".")
    later = check_feature(story, "sso", at=why["valid_until"])
    assert (later["allowed"], later["reason"]) == (False, "not_entitled")
    assert check_feature(story, "sso", at=bought.isoformat())["reason"] == "entitled"
    assert check_feature(story, "sso", at=before.isoformat())["allowed"] is False
    assert check_feature(story, "sso", "bob", assume=price["product"])["allowed"] is True
    assert story.may("sso", "bob") == "no: not_entitled"
    story.accepts()
    story.advance(days=3)


@pytest.mark.parametrize("interval", ["month", "year"])
def test_another_interval_keeps_the_day_and_the_count_of_a_quota(
    story: Story, plans: tuple[Json, Json], interval: str
) -> None:
    """Month to year and back, now: the hundred calls of the month stay a hundred."""
    monthly = plans[0]
    yearly = story.price({"id": monthly["product"]}, 10_000, interval="year")
    first, second = (monthly, yearly) if interval == "month" else (yearly, monthly)
    story.buys(first)
    resets = story.check("calls")["resets_at"]
    story.advance(days=3, hours=5)
    assert consume(story, 90) == 90
    for price in (second, first, second):
        path = f"/subscriptions/alice/{monthly['product']}"
        story.patch(path, {"price": price["id"], "when": "now"})
        story.process_everything()
        assert usage_counts(story) == (100, 90, 10)
        assert story.check("calls")["resets_at"] == resets
        story.advance(hours=5)
    assert (consume(story, 11), consume(story, 10)) == (0, 10)
    story.advance(days=27)
    assert usage_counts(story) == (100, 0, 100)
