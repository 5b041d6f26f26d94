"""Metered usage is sent to Stripe, billed to the cent, corrected and reconciled."""

from datetime import UTC, datetime, timedelta

from tests.billing.tenant import Json
from tests.scenarios.metered_usage import (
    CENTS,
    counted_events,
    differences,
    forwarding_state,
    identifier,
    invoice_totals,
    record_calls,
)
from tests.scenarios.story import Story


def test_a_month_of_use_is_billed_to_the_cent(story: Story, call_price: Json) -> None:
    checkout = story.buys(call_price)
    assert (checkout["total"]["amount"], checkout["status"]) == (0, "complete")
    for day in range(5):
        record_calls(story, 7 * day + 1, f"morning {day}")
        record_calls(story, 3, f"evening {day}", ago=-0.05)
        story.advance(days=6)
    assert differences(story) == []
    story.advance(days=1, hours=2)
    total = sum(7 * day + 4 for day in range(5))
    assert invoice_totals(story) == [total * CENTS, 0]
    (line,) = story.get("/invoices", user_id="alice")["data"][0]["lines"]
    assert (line["quantity"], line["amount"]["amount"]) == (total, total * CENTS)
    assert len(counted_events(story)) == 10


def test_a_late_record_counts_until_the_invoice_stands(story: Story, call_price: Json) -> None:
    """The renewal stays a draft for an hour; what is told later is counted and never billed."""
    story.buys(call_price)
    (item,) = story.get("/subscriptions/alice")["data"][0]["items"]
    period_end = datetime.fromisoformat(item["period_end"])
    story.advance(days=20)
    record_calls(story, 100, "in time")
    left = period_end - datetime.now(tz=UTC) + timedelta(minutes=10)
    story.advance(seconds=left.total_seconds())
    record_calls(story, 10, "late", ago=24 * 5)
    story.process_everything()
    story.advance(hours=1)
    assert invoice_totals(story) == [110 * CENTS, 0]
    too_late = record_calls(story, 1000, "too late", ago=24 * 5)
    story.advance(days=31, hours=2)
    assert forwarding_state(story, too_late) == ("told", "")
    assert invoice_totals(story) == [0, 110 * CENTS, 0]


def test_usage_before_the_stripe_customer_is_sent_later(story: Story, call_price: Json) -> None:
    """It waits, and is told once the customer is there; only what is older than 35 days is not."""
    records = [record_calls(story, 5, f"waits {ago}", ago=24 * ago) for ago in (30, 1)]
    story.advance(seconds=5)
    assert [forwarding_state(story, each) for each in records] == [("waiting", "")] * 2
    story.advance(days=10)
    story.events()
    story.buys(call_price)
    story.process_everything()
    assert [forwarding_state(story, each)[0] for each in records] == ["expired", "told"]
    assert story.events().count("usage.expired") == 1
    payload = story.payload("usage.expired")
    assert (payload["meter"], payload["records"], payload["value"]) == ("api_calls", 1, 5)
    record = record_calls(story, 2, "after")
    story.process_everything()
    assert forwarding_state(story, record) == ("told", "")
    story.advance(days=31, hours=2)
    assert invoice_totals(story) == [2 * CENTS, 0]


def test_usage_survives_an_hour_without_stripe(story: Story, call_price: Json) -> None:
    """Answers that are lost are asked for again under the same identifier: nothing counts twice."""
    story.buys(call_price)
    events = "/v1/billing/meter_events"
    for kind in ("timeout_after", "error_after", "reset_before", "rate_limit"):
        story.stripe.fail(kind, path=events, times=8)
    records = []
    for number in range(6):
        records.append(record_calls(story, number + 1, f"{number}"))
        story.advance(minutes=10)
    story.stripe.world.faults.clear()
    story.process_everything()
    assert [forwarding_state(story, each) for each in records] == [("told", "")] * 6
    assert sorted(counted_events(story)) == sorted(
        (identifier(story, record), str(value)) for value, record in enumerate(records, start=1)
    )
    story.advance(days=31)
    assert invoice_totals(story) == [sum(range(7)) * CENTS, 0]


def test_usage_without_an_answer_for_a_day_waits_for_an_operator(
    story: Story, call_price: Json
) -> None:
    """After a day Stripe may have forgotten the identifier, and would count the use twice."""
    story.buys(call_price)
    story.stripe.fail("timeout_after", path="/v1/billing/meter_events", times=3)
    record = record_calls(story, 9, "lost")
    story.process_everything()
    story.stripe.fail("reset_before", path="/v1/billing/meter_events", times=100_000)
    story.advance(days=1)
    story.stripe.world.faults.clear()
    story.process_everything()
    outcome, error = forwarding_state(story, record)
    assert outcome == "refused"
    assert error.startswith("It was reported to Stripe, which never answered.")
    assert counted_events(story) == [(identifier(story, record), "9")]
