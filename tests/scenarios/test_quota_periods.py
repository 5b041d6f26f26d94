"""An anchored quota starts again only with a paid period."""

from datetime import datetime, timedelta

import pytest

from billing.models import SubscriptionItem
from entitlements.models import Fact
from tests.billing.tenant import Json
from tests.scenarios.story import Story
from tests.scenarios.test_allowances import METERED, check_feature, consume, usage_counts

MONTH = {"days": 30, "minutes": 30}
"""Until half an hour after a renewal that was due in thirty days."""


@pytest.fixture(autouse=True)
def calls(story: Story) -> None:
    story.post("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
    story.post("/features", {"code": "calls", "name": "Calls", **METERED})


def sells(story: Story, amount: int = 1000, calls: int = 100, **how: object) -> Json:
    return story.sells(f"Plan {amount}", amount, features={"calls": calls}, **how)


def reserve(story: Story, amount: int) -> str | None:
    body = {"user_id": "alice", "feature": "calls", "amount": amount, "expires_in": 86_400}
    held = story.post("/entitlements/reserve", body)["reservation"]
    return str(held["id"]) if held else None


def test_an_unpaid_renewal_gives_no_fresh_quota(story: Story) -> None:
    story.buys(sells(story))
    began = datetime.fromisoformat(check_feature(story, "calls")["resets_at"]) - timedelta(days=30)
    assert consume(story, 70) == 70
    story.declines()
    story.advance(**MONTH)
    assert usage_counts(story) == (100, 70, 30), "the renewal is a draft"
    assert check_feature(story, "calls")["resets_at"] is None
    assert consume(story, 31) == 0
    story.advance(hours=1)
    assert (usage_counts(story), story.may("calls")) == ((100, 70, 30), "grace")
    assert (consume(story, 20), consume(story, 11)) == (20, 0)
    assert usage_counts(story) == (100, 90, 10)
    story.accepts()
    story.advance(days=4)
    assert story.may("calls") == "entitled"
    assert usage_counts(story) == (100, 20, 80), "use in grace counts in the period of the use"
    assert (consume(story, 81), consume(story, 80)) == (0, 80)
    resets_at = datetime.fromisoformat(check_feature(story, "calls")["resets_at"])
    assert resets_at - began >= timedelta(days=60), "the window is the period's, not the payment's"
    story.agrees_with_stripe()


def test_a_quota_that_is_used_up_waits_for_the_payment(story: Story) -> None:
    story.buys(sells(story))
    assert consume(story, 100) == 100
    story.advance(days=29, hours=23)
    story.events()
    story.advance(hours=1, minutes=30)
    assert (consume(story, 1), story.may("calls")) == (0, "no: limit_reached")
    story.advance(hours=1)
    assert (usage_counts(story), consume(story, 100)) == ((100, 0, 100), 100)
    assert "entitlements.changed" not in story.events(), "what the customer may do is as it was"


def test_a_project_that_trusts_renews_with_the_invoice(story: Story) -> None:
    """Trust ends as the payment fails: then the last paid window goes on."""
    story.buys(sells(story, product={"renewal_policy": "invoiced"}))
    assert consume(story, 70) == 70
    story.declines()
    story.advance(**MONTH)
    assert (usage_counts(story), consume(story, 20)) == ((100, 0, 100), 20)
    story.advance(hours=1)
    assert (story.may("calls"), usage_counts(story)) == ("grace", (100, 90, 10))
    assert consume(story, 11) == 0
    story.accepts()
    story.advance(days=4)
    assert usage_counts(story) == (100, 20, 80)


def test_a_monthly_quota_advances_within_a_paid_year(story: Story) -> None:
    story.buys(sells(story, interval="year"))
    for _ in range(11):
        assert (consume(story, 100), consume(story, 1)) == (100, 0)
        story.advance(days=31)
    assert consume(story, 60) == 60
    story.declines()
    story.advance(days=25, hours=2)
    assert (story.may("calls"), usage_counts(story)) == ("grace", (100, 60, 40))


def test_reservations_count_over_an_unpaid_renewal(story: Story) -> None:
    story.buys(sells(story))
    assert consume(story, 30) == 30
    story.declines()
    story.advance(days=29, hours=23)
    held = reserve(story, 60)
    story.advance(hours=1, minutes=30)
    assert usage_counts(story) == (100, 30, 10)
    assert (consume(story, 11), reserve(story, 11)) == (0, None)
    later = reserve(story, 10)
    assert usage_counts(story) == (100, 30, 0)
    story.accepts()
    story.advance(hours=1)
    assert usage_counts(story) == (100, 0, 30), "set aside under either counts under both"
    for each, amount in ((held, 50), (later, 10)):
        story.post("/entitlements/commit", {"reservation": each, "amount": amount})
    assert usage_counts(story) == (100, 60, 40)
    story.agrees_with_stripe()


def test_a_trial_gives_its_own_window_and_no_other(story: Story) -> None:
    story.buys(sells(story), trial_period_days=14)
    assert consume(story, 90) == 90
    story.declines()
    story.advance(days=14, minutes=30)
    assert usage_counts(story) == (100, 90, 10)
    story.advance(hours=2)
    assert (story.may("calls"), usage_counts(story)) == ("grace", (100, 90, 10))


def test_free_plans_grants_and_the_free_tier_follow_the_clock(story: Story) -> None:
    story.put("/free-tier", {"features": [{"feature": "calls", "value": 5}]})
    story.buys(sells(story, 0))
    grant = {"feature": "calls", "value": 50, "reason": "Sorry."}
    story.post("/admin/grant", {"user_id": "bob", **grant})
    for user_id, amount in (("alice", 100), ("bob", 50), ("carol", 5)):
        assert consume(story, amount, user_id=user_id) == amount
        assert consume(story, 1, user_id=user_id) == 0
    story.advance(days=31)
    for user_id, amount in (("alice", 100), ("bob", 50), ("carol", 5)):
        assert consume(story, amount, user_id=user_id) == amount


def test_the_better_of_a_grant_and_an_unpaid_plan_counts(story: Story) -> None:
    """A grant of as much needs no money, so its months go on while the plan's wait."""
    price = sells(story)
    story.buys(price)
    story.advance(days=3)
    grant = {"feature": "calls", "value": 100, "reason": "Sorry."}
    story.post("/admin/grant", {"user_id": "alice", **grant})
    assert consume(story, 100) == 100
    story.declines()
    story.advance(days=28, hours=2)
    assert consume(story, 1) == 0
    story.advance(days=3)
    assert consume(story, 100) == 100


def test_changes_and_pauses_keep_the_window(story: Story) -> None:
    small, large = sells(story), sells(story, 2000, 200)
    story.buys(small)
    assert consume(story, 70) == 70
    story.advance(days=10)
    story.patch(f"/subscriptions/alice/{small['product']}", {"price": large["id"], "when": "now"})
    story.process_everything()
    assert usage_counts(story) == (200, 70, 130)
    path = f"/subscriptions/alice/{large['product']}"
    story.post(f"{path}/pause", {"resumes_at": (story.now + timedelta(days=3)).isoformat()})
    story.advance(days=4)
    assert usage_counts(story) == (200, 70, 130)
    story.declines()
    story.advance(days=16, hours=2)
    assert (story.may("calls"), usage_counts(story)) == ("grace", (200, 70, 130))


def test_an_unpaid_upgrade_within_a_paid_period_keeps_the_windows(story: Story) -> None:
    """Weekly windows of a paid month go on while an invoice of the middle of it is owed."""
    story.post("/meters", {"code": "jobs", "name": "Jobs", "aggregation": "sum"})
    weekly = {**METERED, "meter": "jobs", "period": "week"}
    story.post("/features", {"code": "jobs", "name": "Jobs", **weekly})
    story.buys(story.sells("Weekly", features={"jobs": 10}))
    for _ in range(4):
        assert (consume(story, 10, "jobs"), consume(story, 1, "jobs")) == (10, 0)
        story.advance(days=7)
    assert consume(story, 10, "jobs") == 10
    story.declines()
    story.advance(days=7)
    assert consume(story, 1, "jobs") == 0


def test_a_decision_in_the_future_uses_scheduled_facts(story: Story) -> None:
    story.buys(sells(story))
    assert consume(story, 70) == 70
    at = (story.now + timedelta(days=31)).isoformat()
    assert check_feature(story, "calls", at=at)["used"] == 0
    story.declines()
    story.advance(days=30, hours=2)
    at = (story.now + timedelta(days=1)).isoformat()
    assert check_feature(story, "calls", at=at)["used"] == 70
    steps = check_feature(story, "calls", explain="1")["explanation"]["steps"]
    (metering,) = [each for each in steps if each["step"] == "metering"]
    assert metering["data"]["resets_at"] is None
    assert "paid" in metering["text"]


def test_facts_say_until_when_quotas_are_paid(story: Story) -> None:
    story.post("/features", {"code": "sso", "name": "SSO", "kind": "boolean"})
    story.buys(story.sells("Pro", features={"calls": 100, "sso": True}))
    item = SubscriptionItem.objects.for_project(story.project).get()
    rows = Fact.objects.for_project(story.project).order_by("version").select_related("feature")
    paid_until_by_feature = {
        row.feature.code: row.paid_until for row in rows if row.feature is not None
    }
    assert paid_until_by_feature == {"calls": item.period_end, "sso": None}
