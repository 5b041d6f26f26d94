"""Random histories of one customer at a sandbox that behaves as Stripe does: whatever happens,
plans give no more credits than their money buys, nor more at once than the largest plan had.

The oracle reads Stripe's own invoices and nothing of ours: each line that was paid is worth the
plan's credits times its amount over the price of one unit.
"""

from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from django.db.models import Sum

from billing.operations import law_checks
from entitlements.balances.selectors.credits import is_live
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource
from tests.billing.tenant import Json
from tests.scenarios.story import Story
from tests.scenarios.test_credits import ALICE, sells

STEPS = 22
ALLOWED_REFUSALS = (402, 404, 409, 422)


class History:
    """A customer who does anything at any time, and what Stripe has been paid for it."""

    def __init__(self, story: Story, random: Random) -> None:
        self.story, self.random = story, random
        self.plans = [
            sells(story, "Small", 60, 1000),
            sells(story, "Middle", 600, 6000),
            sells(story, "Large", 9000, 90_000),
        ]
        self.yearly = story.price({"id": self.plans[1]["product"]}, 60_000, interval="year")
        self.extra = sells(story, "Extra", 500, 5000)
        self.pack = sells(story, "Pack", 40, 4000, interval=None)
        self.rates = {
            price["stripe_id"]: Fraction(credits, price["unit_amount"]["amount"])
            for price, credits in [
                *zip(self.plans, (60, 600, 9000), strict=True),
                (self.yearly, 600),
                (self.extra, 500),
            ]
        }
        self.largest = 0

    def play(self) -> None:
        self.story.buys(self.random.choice(self.plans))
        self.check()
        for _ in range(STEPS):
            getattr(self, self.random.choice(MOVES))()
            self.story.process_everything()
            self.check()

    def check(self) -> None:
        rows = CreditGrant.objects.for_project(self.story.project).filter(
            source_type=CreditSource.SUBSCRIPTION
        )
        spent = rows.aggregate(total=Sum("spent"))["total"] or 0
        live = rows.filter(is_live(self.story.now))
        held = live.aggregate(total=Sum("available") + Sum("withheld"))["total"] or 0
        worth = self.worth()
        assert spent + held <= worth, (spent, held, float(worth))
        assert held <= self.most_at_once(), (held, self.most_at_once())
        for law in ("subscription credits", "purchase credits", "credit grants"):
            page = law_checks.check_page(law, after="", at=self.story.now, repair=False)
            assert [str(each) for each in page.violations] == []

    def worth(self) -> Fraction:
        """What all that was paid until now buys, to the cent that Stripe rounds by."""
        total = Fraction()
        for invoice in self.story.at_stripe("invoice"):
            if invoice["status"] == "paid":
                for line in invoice["lines"]["data"]:
                    price = ((line["pricing"] or {}).get("price_details") or {}).get("price")
                    rate = self.rates.get(price, Fraction())
                    total += rate * (line["amount"] + 1 * bool(rate))
        return total

    def most_at_once(self) -> int:
        """The largest arrangement that the customer has had, times what it gives."""
        shown = self.story.get("/subscriptions/alice")["data"]
        per_product = {each["product"]: credits for each, credits in self.sold()}
        for row in shown:
            if row["status"] not in ("canceled", "incomplete_expired"):
                total_credits = sum(
                    per_product.get(item["product"], 0) * item["quantity"] for item in row["items"]
                )
                self.largest = max(self.largest, total_credits)
        return self.largest

    def sold(self) -> list[tuple[Json, int]]:
        return [*zip(self.plans, (60, 600, 9000), strict=True), (self.extra, 500)]

    def change(self) -> None:
        price = self.random.choice([*self.plans, self.yearly])
        body: Json = {"price": price["id"]}
        self._vary(body)
        self._patch(body)

    def quantity(self) -> None:
        body: Json = {"quantity": self.random.randint(1, 3)}
        self._vary(body)
        self._patch(body)

    def addon(self) -> None:
        path = self._path()
        if path:
            self._try("POST", f"{path}/addons", {"price": self.extra["id"]})

    def drop_addon(self) -> None:
        path = self._path()
        if path:
            when = self.random.choice(["now", "now", "renewal"])
            self._try("DELETE", f"{path}/addons/{self.extra['product']}?when={when}")

    def spend(self) -> None:
        balance = int(self.story.get(ALICE)["balance"])
        if balance:
            amount = self.random.choice([balance, self.random.randint(1, balance)])
            self._try("POST", f"{ALICE}/spend", {"amount": amount})

    def wait(self) -> None:
        self.story.advance(hours=self.random.choice([1, 5, 24, 24 * 7, 24 * 13]))

    def renew(self) -> None:
        self.story.advance(days=31, hours=self.random.choice([0, 2]))

    def cancel(self) -> None:
        self._patch({"cancel_at_period_end": self.random.random() < 0.5})

    def undo(self) -> None:
        self._patch({"undo_scheduled_change": True})

    def pause(self) -> None:
        path = self._path()
        until = (self.story.now + timedelta(days=self.random.choice([3, 20, 40]))).isoformat()
        if path:
            self._try("POST", f"{path}/pause", self.random.choice([{}, {"resumes_at": until}]))

    def resume(self) -> None:
        path = self._path()
        if path:
            self._try("POST", f"{path}/resume", {})

    def decline(self) -> None:
        self.story.declines()

    def accept(self) -> None:
        self.story.accepts()

    def refund(self) -> None:
        paid = self.random.choice(self.story.get("/payments")["data"])
        body = self.random.choice([{}, {"amount": 100}])
        self._try("POST", f"/payments/{paid['id']}/refunds", body)

    def buy_again(self) -> None:
        self.story.accepts()
        path = self._path()
        if path:
            prorate = self.random.choice(["", "&prorate=true"])
            self._try("DELETE", f"{path}?when=now{prorate}")
            self.story.process_everything()
        if not self._path():
            self.story.buys(self.random.choice(self.plans))

    def buy_pack(self) -> None:
        self.story.accepts()
        self.story.buys(self.pack)

    def gift(self) -> None:
        self.story.post(f"{ALICE}/grant", {"amount": 5, "reason": "Sorry."})

    def _vary(self, body: Json) -> None:
        body["when"] = self.random.choice(["now", "now", "renewal"])
        if body["when"] == "now" and self.random.random() < 0.3:
            body["proration"] = self.random.choice(["create_prorations", "none"])

    def _path(self) -> str:
        """Where the live subscription is changed; empty without one."""
        for row in self.story.get("/subscriptions/alice")["data"]:
            products = [item["product"] for item in row["items"]]
            plan = next((each for each in products if each != self.extra["product"]), None)
            if plan and row["status"] not in ("canceled", "incomplete_expired"):
                return f"/subscriptions/alice/{plan}"
        return ""

    def _patch(self, body: Json) -> None:
        if path := self._path():
            self._try("PATCH", path, body)

    def _try(self, method: str, path: str, body: Any = None) -> None:
        path, _, query = path.partition("?")
        values = dict(part.split("=") for part in query.split("&")) if query else None
        answer = self.story.api.request(method, path, body, query=values)
        assert answer.status_code < 300 or answer.status_code in ALLOWED_REFUSALS, answer.content


MOVES = [
    *["change", "spend", "spend", "wait", "wait"] * 2,
    *["quantity", "addon", "drop_addon", "renew", "cancel", "undo", "pause", "resume"],
    *["decline", "accept", "refund", "buy_again", "buy_pack", "gift"],
]


@pytest.mark.parametrize("seed", range(4))
def test_plans_give_what_their_money_buys(story: Story, seed: int) -> None:
    history = History(story, Random(seed))
    history.play()
    assert history.worth() > 0
