"""A month of metrics: every day that is counted equals a recount from what the tenant sees."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

import pytest

from billing.operations import law_checks
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import Json
from tests.scenarios import chores
from tests.scenarios.story import Story

DAY = timedelta(days=1)
LAWS = ("subscription spans", "subscription metrics", "revenue metrics")
USERS = ("alice", "bob", "carol", "dave")


class Bookkeeper:
    """Lets days pass, and after each compares the metrics with the subscriptions that the API
    shows: an own count of the MRR."""

    def __init__(self, story: Story, amounts: Iterable[tuple[Json, int]]) -> None:
        self.story = story
        self._amounts = {price["id"]: amount for price, amount in amounts}
        self._address = f"/metrics/project/{story.project.pk}"

    def pass_days(self, number: int) -> None:
        for _ in range(number):
            day = self.story.now.date()
            end = self.story.now.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
            self.story.advance_to(end - timedelta(seconds=1))
            expected = self.count_mrr()
            assert self.mrr(day)["closing"] == expected, "live"
            self.story.advance_to(end + timedelta(minutes=10))
            chores.run("billing.count_days")
            assert self.mrr(day)["closing"] == expected, "stored"
            self.keeps_the_laws()

    def count_mrr(self) -> int:
        """The sum over active subscriptions that are not paused."""
        rows = [row for user in USERS for row in self.subscriptions(user)]
        return sum(
            self._amounts[item["price"]] * item["quantity"]
            for row in rows
            if row["status"] == "active" and row["pause"] is None
            for item in row["items"]
        )

    def subscriptions(self, user_id: str) -> list[Json]:
        response = self.story.api.get(f"/subscriptions/{user_id}")
        return list(response.json()["data"]) if response.status_code == 200 else []

    def row(self, day: date) -> Json:
        query = {"period": "day", "from": day.isoformat(), "to": (day + DAY).isoformat()}
        [row] = self.story.get(f"{self._address}/subscriptions", **query)["data"]
        return dict(row)

    def mrr(self, day: date) -> Json:
        return dict(self.row(day)["mrr"])

    def month(self, first: date, before: date, report: str = "subscriptions") -> list[Json]:
        query = {"from": first.isoformat(), "to": before.isoformat()}
        return list(self.story.get(f"{self._address}/{report}", **query)["data"])

    def keeps_the_laws(self) -> None:
        for law in LAWS:
            after, at = "", self.story.now
            while True:
                page = law_checks.check_page(law, after=after, at=at, repair=False)
                assert [str(violation) for violation in page.violations] == []
                after = page.after
                if not after:
                    break


def changes(mrr: Json) -> dict[str, int]:
    """What has changed, without opening and closing."""
    return {
        name: value for name, value in mrr.items() if value and name not in ("opening", "closing")
    }


@pytest.fixture
def plans(story: Story) -> tuple[Json, Json]:
    return story.sells("Small", 1000), story.sells("Large", 12_000, interval="year")


def test_a_month_of_metrics(
    story: Story, plans: tuple[Json, Json], platform_api: ApiClient
) -> None:
    small, team = plans[0], story.sells("Team", 3000)
    books = Bookkeeper(story, [(small, 1000), (plans[1], 1000), (team, 3000)])
    first = story.now.date()

    story.buys(small, "alice")
    story.buys(plans[1], "bob")
    story.buys(small, "carol", trial_period_days=3)
    story.buys(small, "dave")
    books.pass_days(1)
    assert changes(books.mrr(first)) == {"new": 3000}
    assert books.row(first)["subscriptions"]["trialing"] == 1

    books.pass_days(3)
    assert changes(books.mrr(first + 3 * DAY)) == {"new": 1000}, "the trial has ended"

    upgraded = story.now.date()
    story.patch(f"/subscriptions/alice/{small['product']}", {"price": team["id"]})
    books.pass_days(1)
    assert changes(books.mrr(upgraded)) == {"expansion": 2000}

    downgraded = story.now.date()
    story.patch(f"/subscriptions/alice/{team['product']}", {"price": small["id"], "when": "now"})
    books.pass_days(1)
    assert changes(books.mrr(downgraded)) == {"contraction": 2000}

    canceled = story.now.date()
    story.delete(f"/subscriptions/bob/{plans[1]['product']}?when=now")
    story.process_everything()
    books.pass_days(1)
    assert changes(books.mrr(canceled)) == {"churn": 1000}
    assert books.row(canceled)["subscriptions"]["canceled"] == 1

    story.declines("dave")
    renewal = first + 30 * DAY
    books.pass_days((renewal - story.now.date()).days + 1)
    assert changes(books.mrr(renewal)) == {"churn": 1000, "churn_past_due": 1000, "past_due": 1000}
    assert books.row(renewal)["subscriptions"]["past_due"] == 1

    story.accepts("dave")
    paid = story.now.date()
    while books.subscriptions("dave")[0]["status"] == "past_due":
        paid = story.now.date()
        books.pass_days(1)
    assert changes(books.mrr(paid)) == {"reactivation": 1000, "reactivation_recovered": 1000}

    returned = story.now.date()
    story.buys(small, "bob")
    books.pass_days(1)
    assert changes(books.mrr(returned)) == {"reactivation": 1000}

    compare_the_whole(story, books, first, platform_api)


def compare_the_whole(
    story: Story, books: Bookkeeper, first: date, platform_api: ApiClient
) -> None:
    """The months add up the days, and the platform sees the same."""
    rows = books.month(first, story.now.date())
    total = Counter[str]()
    for row in rows:
        total.update({name: value for name, value in row["mrr"].items() if name != "past_due"})
    gained = total["new"] + total["reactivation"] + total["expansion"]
    assert gained - total["contraction"] - total["churn"] == rows[-1]["mrr"]["closing"] == 4000
    assert (total["new"], total["expansion"], total["contraction"]) == (4000, 2000, 2000)
    assert rows[-1]["customers"]["total"] == 4
    payments = [
        payment
        for user in USERS
        for payment in story.get("/payments", user_id=user)["data"]
        if payment["status"] == "paid"
    ]
    revenue = books.month(first, story.now.date() + DAY, "revenue")
    assert sum(row["gross"] for row in revenue) == sum(
        payment["amount"]["amount"] for payment in payments
    )
    query = {"livemode": "false", "from": first.isoformat()}
    everything = platform_api.get("/metrics/subscriptions", query=query).json()["data"]
    assert everything[-1]["mrr"]["closing"] == 4000


def test_a_discount_and_a_pause(story: Story, project: Project) -> None:
    """A coupon for some months reduces the MRR until it ends, one for one bill does not."""
    price = story.sells("Pro", 10_000)
    books = Bookkeeper(story, [(price, 10_000)])
    first = story.now.date()
    for name, duration in (("half", {"duration": "forever"}), ("once", {"duration": "once"})):
        coupon = story.post("/coupons", {"name": name, "percent_off": 50, **duration})
        user_id = {"half": "alice", "once": "bob"}[name]
        story.buys(price, user_id, coupon=coupon["id"])
    story.advance_to(story.now + timedelta(hours=13))
    chores.run("billing.count_days")
    assert changes(books.mrr(first)) == {"new": 15_000}

    paused = story.now.date()
    story.post(f"/subscriptions/alice/{price['product']}/pause")
    story.process_everything()
    assert changes(books.mrr(paused)) == {"churn": 5000}
    assert books.row(paused)["subscriptions"]["paused"] == 1
    books.keeps_the_laws()
