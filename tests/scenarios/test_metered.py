"""What is used of metered prices: told to Stripe, billed to the cent, taken back, reconciled."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from sandbox import metering
from tests.billing.api.tenant import Json
from tests.scenarios.story import Story
from usage.models import Record

CENTS = 3
"""What one call costs."""


@pytest.fixture
def calls(story: Story) -> Json:
    """A price for each call."""
    story.post("/meters", {"code": "api_calls", "name": "API calls", "aggregation": "sum"})
    return story.price(story.product("Calls"), CENTS, meter="api_calls")


def uses(story: Story, value: int, key: str, *, user: str = "alice", ago: float = 0) -> str:
    """So many calls, so many hours ago: the record's id."""
    occurred_at = datetime.now(tz=UTC) - timedelta(hours=ago)
    record = {
        "user_id": user,
        "meter": "api_calls",
        "value": value,
        "key": key,
        "occurred_at": occurred_at.isoformat(),
    }
    (outcome,) = story.post("/usage", {"records": [record]})["data"]
    assert outcome["status"] == "recorded", outcome
    return str(outcome["id"])


def bills(story: Story, user: str = "alice") -> list[int]:
    """What each invoice came to, the newest first, in cents."""
    found = story.get("/invoices", user_id=user)["data"]
    return [each["total"]["amount"] for each in found]


def standing(story: Story, record: str) -> tuple[str, str]:
    """What Stripe knows of the record, and why not."""
    row = Record.objects.for_project(story.project).get(id=record)
    return row.forwarding, row.forwarding_error


def counted(story: Story) -> list[tuple[str, str]]:
    """The events that count at Stripe: identifier and value."""
    with story.stripe.world.transaction() as tx:
        found = tx.all(metering.EVENT, lambda event: not event["canceled"])
    return [(event["id"], event["value"]) for event in found]


def differences(story: Story) -> list[str]:
    """What ``reconcile --dry-run`` says of usage."""
    out = StringIO()
    with suppress(SystemExit):
        call_command("reconcile", "--dry-run", stdout=out)
    return [line for line in out.getvalue().splitlines() if line.startswith("usage of ")]


def test_a_month_of_use_is_billed_to_the_cent(story: Story, calls: Json) -> None:
    checkout = story.buys(calls)
    assert (checkout["total"]["amount"], checkout["status"]) == (0, "complete")
    for day in range(5):
        uses(story, 7 * day + 1, f"morning {day}")
        uses(story, 3, f"evening {day}", ago=-0.05)
        story.advance(days=6)
    assert differences(story) == []
    story.advance(days=1, hours=2)
    total = sum(7 * day + 4 for day in range(5))
    assert bills(story) == [total * CENTS, 0]
    (line,) = story.get("/invoices", user_id="alice")["data"][0]["lines"]
    assert (line["quantity"], line["amount"]["amount"]) == (total, total * CENTS)
    assert len(counted(story)) == 10


def test_a_late_record_counts_until_the_invoice_stands(story: Story, calls: Json) -> None:
    """The renewal stays a draft for an hour; what is told later is counted and never billed."""
    story.buys(calls)
    (item,) = story.get("/subscriptions/alice")["data"][0]["items"]
    period_end = datetime.fromisoformat(item["period_end"])
    story.advance(days=20)
    uses(story, 100, "in time")
    left = period_end - datetime.now(tz=UTC) + timedelta(minutes=10)
    story.advance(seconds=left.total_seconds())
    uses(story, 10, "late", ago=24 * 5)
    story.settle()
    story.advance(hours=1)
    assert bills(story) == [110 * CENTS, 0]
    too_late = uses(story, 1000, "too late", ago=24 * 5)
    story.advance(days=31, hours=2)
    assert standing(story, too_late) == ("told", "")
    assert bills(story) == [0, 110 * CENTS, 0]


def test_what_was_used_before_stripe_knew_the_customer(story: Story, calls: Json) -> None:
    """It waits, and is told once the customer is there; only what is older than 35 days is not."""
    records = [uses(story, 5, f"waits {ago}", ago=24 * ago) for ago in (30, 1)]
    story.advance(seconds=5)
    assert [standing(story, each) for each in records] == [("waiting", "")] * 2
    story.advance(days=10)
    story.buys(calls)
    story.settle()
    assert [standing(story, each)[0] for each in records] == ["", "told"]
    record = uses(story, 2, "after")
    story.settle()
    assert standing(story, record) == ("told", "")
    story.advance(days=31, hours=2)
    assert bills(story) == [2 * CENTS, 0]


def test_stripe_is_away_for_an_hour(story: Story, calls: Json) -> None:
    """Answers that are lost are asked for again under the same identifier: nothing counts twice."""
    story.buys(calls)
    events = "/v1/billing/meter_events"
    for kind in ("timeout_after", "error_after", "reset_before", "rate_limit"):
        story.stripe.fail(kind, path=events, times=8)
    records = []
    for number in range(6):
        records.append(uses(story, number + 1, f"{number}"))
        story.advance(minutes=10)
    story.stripe.world.faults.clear()
    story.settle()
    assert [standing(story, each) for each in records] == [("told", "")] * 6
    assert sorted(counted(story)) == sorted(
        (record, str(value)) for value, record in enumerate(records, start=1)
    )
    story.advance(days=31)
    assert bills(story) == [sum(range(7)) * CENTS, 0]


def test_an_answer_that_never_came_for_a_day_waits_for_a_person(story: Story, calls: Json) -> None:
    """After a day Stripe may have forgotten the identifier, and would count the use twice."""
    story.buys(calls)
    story.stripe.fail("timeout_after", path="/v1/billing/meter_events", times=3)
    record = uses(story, 9, "lost")
    story.settle()
    story.stripe.fail("reset_before", path="/v1/billing/meter_events", times=100_000)
    story.advance(days=1)
    story.stripe.world.faults.clear()
    story.settle()
    outcome, error = standing(story, record)
    assert outcome == "refused"
    assert error.startswith("Stripe was asked to count it and never answered.")
    assert counted(story) == [(record, "9")]


def void(story: Story, record: str) -> Any:
    return story.post(f"/usage/{record}/void")


def test_a_void_within_a_day_is_taken_back_and_a_later_one_is_shown(
    story: Story, calls: Json
) -> None:
    story.buys(calls)
    story.advance(minutes=2)
    taken_back, too_late, kept = (uses(story, value, f"{value}") for value in (100, 20, 3))
    story.advance(hours=23)
    void(story, taken_back)
    story.settle()
    assert standing(story, taken_back) == ("canceled", "")
    story.advance(hours=2)
    void(story, too_late)
    story.settle()
    outcome, error = standing(story, too_late)
    assert outcome == "refused"
    assert error.startswith("Stripe takes an event back within 24 hours")
    assert standing(story, kept) == ("told", "")
    (difference,) = differences(story)
    assert difference.endswith(": 3 -> 23; 1 record(s) refused")
    never_told = uses(story, 50, "never told")
    void(story, never_told)
    story.settle()
    assert standing(story, never_told) == ("", "")
    story.advance(days=31)
    assert bills(story) == [23 * CENTS, 0]
