"""Random histories of one customer at a sandbox that behaves as Stripe does: whatever happens to
the renewals, no more is consumed than the windows give that begin in paid time.

The oracle reads Stripe's own invoices and nothing of ours, and has a calendar of its own.
"""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta

from tests.billing.tenant import Json
from tests.scenarios.story import Story
from tests.scenarios.test_allowances import METERED, consume

STEPS = 18
LIMIT = 100
ALLOWED_REFUSALS = (402, 404, 409, 422)
MONTH = relativedelta(months=1)


class History:
    """A customer who uses all that there is, and pays at some times."""

    def __init__(self, story: Story, random: Random) -> None:
        self.story, self.random = story, random
        story.post("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
        story.post("/features", {"code": "calls", "name": "Calls", **METERED})
        self.plan = story.sells("Plan", 1000, features={"calls": LIMIT})
        self.yearly = story.price({"id": self.plan["product"]}, 10_000, interval="year")
        self.consumed = 0
        self.held: list[str] = []

    def play(self) -> None:
        self.story.buys(self.plan)
        (first,) = self.invoices()
        self.anchor = full_hour(first["lines"]["data"][0]["period"]["start"])
        self.use()
        for _ in range(STEPS):
            getattr(self, self.random.choice(MOVES))()
            self.story.process_everything()
            self.use()

    def use(self) -> None:
        """As much as is left, and a little more."""
        left = self.story.check("calls")["remaining"] or 0
        if left > 1 and self.random.random() < 0.3:
            aside = self.random.randint(1, left - 1)
            body = {"user_id": "alice", "feature": "calls", "amount": aside, "expires_in": 86_400}
            self.held.append(self.story.post("/entitlements/reserve", body)["reservation"]["id"])
            left -= aside
        for amount in (left, 1):
            self.consumed += consume(self.story, amount) if amount else 0
        bought = LIMIT * self.windows()
        assert self.consumed <= bought, (self.consumed, bought, str(self.story.now))

    def windows(self) -> int:
        """How many of the quota's months have begun by now, in time that was paid."""
        paid = [
            (
                full_hour(line["period"]["start"]),
                full_hour(line["period"]["end"]),
                1 if line["amount"] > 0 else -1,
            )
            for invoice in self.invoices()
            if invoice["status"] == "paid"
            for line in invoice["lines"]["data"]
        ]
        number = count = 0
        while (begins := self.anchor + number * MONTH) <= self.story.now:
            count += sum(sign for start, end, sign in paid if start <= begins < end) > 0
            number += 1
        return count

    def invoices(self) -> list[Any]:
        return list(self.story.at_stripe("invoice"))

    def wait(self) -> None:
        self.story.advance(days=self.random.choice([1, 3, 12, 20, 33]))

    def wait_for_the_renewal(self) -> None:
        """Until it is a draft."""
        rows = self.story.get("/subscriptions/alice")["data"]
        ends = [item["period_end"] for row in rows for item in row["items"]]
        later = [end for each in ends if (end := datetime.fromisoformat(each)) > self.story.now]
        if later and min(later) - self.story.now < timedelta(days=40):
            self.story.advance_to(min(later) + timedelta(minutes=30))

    def hours(self) -> None:
        self.story.advance(hours=self.random.randint(1, 5))

    def fail(self) -> None:
        self.story.declines()

    def pay(self) -> None:
        self.story.accepts()

    def commit(self) -> None:
        """What was set aside before, whatever has become of the period since."""
        while self.held:
            body = {"reservation": self.held.pop()}
            done = self.story.api.post("/entitlements/commit", body)
            if done.status_code == 200:
                self.consumed += done.json()["reservation"]["committed_amount"]

    def change(self) -> None:
        price = self.random.choice([self.plan, self.yearly])
        self._try("PATCH", "", {"price": price["id"], "when": "now"})

    def pause(self) -> None:
        until = self.story.now + timedelta(days=self.random.choice([2, 9]))
        self._try("POST", "/pause", {"resumes_at": until.isoformat()})

    def resume(self) -> None:
        self._try("POST", "/resume", None)

    def _try(self, method: str, path: str, body: Json | None) -> None:
        path = f"/subscriptions/alice/{self.plan['product']}{path}"
        response = self.story.api.request(method, path, body)
        assert response.status_code < 300 or response.status_code in ALLOWED_REFUSALS


MOVES = [
    *["wait"] * 3,
    *["wait_for_the_renewal"] * 4,
    *["hours"] * 2,
    *["fail"] * 3,
    *["pay"] * 3,
    *["commit"] * 2,
    "change",
    "pause",
    "resume",
]


def full_hour(moment: datetime | int) -> datetime:
    if isinstance(moment, int):
        moment = datetime.fromtimestamp(moment, tz=UTC)
    return moment.replace(minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("seed", range(3))
def test_no_unpaid_use_is_consumed(story: Story, seed: int) -> None:
    History(story, Random(seed)).play()
