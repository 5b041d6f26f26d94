"""Metered usage is voided, corrected, refused and resent under stable identifiers."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from billing.models import StripeMeter
from billing.operations.usage_reports import forward_due
from common.models import BackOff
from sandbox import meter_usage
from sandbox.resources import webhook_endpoints
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
from tests.webhooks.stripe_post import StripePost
from usage.models import Record
from webhooks.models import InboundEvent


def set_event_error(story: Story, record: str, error: str | None) -> None:
    """What Stripe finds out about the event of this record after it has taken it."""
    with story.stripe.world.transaction() as tx:
        tx.path_object(meter_usage.EVENT, identifier(story, record))["error"] = error


def void(story: Story, record: str) -> Any:
    return story.post(f"/usage/{record}/void")


def test_a_void_within_a_day_is_taken_back_and_a_later_one_is_shown(
    story: Story, call_price: Json
) -> None:
    story.buys(call_price)
    story.advance(minutes=2)
    taken_back, too_late, kept = (
        record_calls(story, value, f"{value}", ago=ago)
        for value, ago in ((100, 0), (20, 0.01), (3, 0.01))
    )
    story.advance(hours=23)
    void(story, taken_back)
    story.process_everything()
    assert forwarding_state(story, taken_back) == ("canceled", "")
    story.advance(hours=2)
    story.events()
    void(story, too_late)
    story.process_everything()
    story.process_everything()
    assert story.events() == ["usage.voided", "usage.void_refused"]
    outcome, error = forwarding_state(story, too_late)
    payload = story.payload("usage.void_refused")
    assert (payload["records"], payload["value"], payload["reason"]) == (1, 20, error)
    assert outcome == "refused"
    assert error.startswith("Stripe cancels an event only within 24 hours")
    assert forwarding_state(story, kept) == ("told", "")
    (difference,) = differences(story)
    assert difference.endswith(": 3 -> 23; 1 record(s) refused")
    never_told = record_calls(story, 50, "never told")
    void(story, never_told)
    story.process_everything()
    assert forwarding_state(story, never_told) == ("", "")
    story.advance(days=31)
    assert invoice_totals(story) == [23 * CENTS, 0]


def events_sent(story: Story) -> int:
    with story.stripe.world.transaction() as tx:
        return len(tx.list_objects(meter_usage.EVENT, lambda event: True))


def test_the_use_of_a_minute_is_one_event(story: Story, call_price: Json) -> None:
    """Of a customer; two customers, two minutes and a large value have events of their own."""
    for user in ("alice", "bob"):
        story.buys(call_price, user)
    story.advance_to(story.now.replace(second=0) + timedelta(minutes=10))
    same = [record_calls(story, value, f"a{value}") for value in range(1, 31)]
    earlier, other = (
        record_calls(story, 100, "b", ago=0.05),
        record_calls(story, 7, "c", user="bob"),
    )
    large = record_calls(story, 10**12, "d")
    story.process_everything()
    everything = [*same, earlier, other, large]
    assert {forwarding_state(story, each) for each in everything} == {("told", "")}
    assert len({identifier(story, each) for each in same}) == 1
    assert sorted(int(value) for _, value in counted_events(story)) == [7, 100, 465, 10**12]
    story.process_everything()
    assert events_sent(story) == 4


def test_voiding_one_of_many_records_resends_the_others(story: Story, call_price: Json) -> None:
    story.buys(call_price)
    story.advance_to(story.now.replace(second=0) + timedelta(minutes=10))
    records = [record_calls(story, value, f"{value}") for value in (1, 10, 100)]
    story.process_everything()
    story.advance(hours=2)
    void(story, records[1])
    story.process_everything()
    story.process_everything()
    assert [forwarding_state(story, each)[0] for each in records] == ["told", "canceled", "told"]
    assert [value for _, value in counted_events(story)] == ["101"]
    assert events_sent(story) == 2
    story.post(f"/usage/{records[0]}/correct", {"value": 5})
    for _ in range(3):
        story.process_everything()
    assert sum(int(value) for _, value in counted_events(story)) == 105
    assert differences(story) == []
    story.advance(days=31)
    assert invoice_totals(story) == [105 * CENTS, 0]


@pytest.mark.parametrize("kind", ["timeout_after", "reset_before", "error_after"])
def test_the_same_records_are_resent_under_the_same_identifier(
    story: Story, call_price: Json, kind: str
) -> None:
    """Whatever joins them meanwhile, and whatever is voided."""
    story.buys(call_price)
    story.advance_to(story.now.replace(second=0) + timedelta(minutes=10))
    first = [record_calls(story, value, f"{value}") for value in (1, 10)]
    story.stripe.fail(kind, path="/v1/billing/meter_events", times=6)
    forward_due(at=story.now)
    fixed = identifier(story, first[0])
    assert [forwarding_state(story, each)[0] for each in first] == ["pending"] * 2
    void(story, first[1])
    late = record_calls(story, 100, "late")
    story.stripe.world.faults.clear()
    for _ in range(3):
        story.process_everything()
    assert [forwarding_state(story, each)[0] for each in (*first, late)] == [
        "told",
        "canceled",
        "told",
    ]
    assert identifier(story, first[1]) == fixed
    assert sum(int(value) for _, value in counted_events(story)) == 101
    story.advance(days=31)
    assert invoice_totals(story) == [101 * CENTS, 0]


def test_a_minute_across_a_period_end_makes_two_events(story: Story, call_price: Json) -> None:
    story.buys(call_price)
    (item,) = story.get("/subscriptions/alice")["data"][0]["items"]
    end = datetime.fromisoformat(item["period_end"])
    if end.second == 0:
        pytest.fail("Begin the period within a minute.")
    story.advance_to(end + timedelta(seconds=50))
    story.process_everything()
    for seconds, value in ((-1, 3), (1, 20)):
        ago = (story.now - end).total_seconds() - seconds
        record_calls(story, value, f"{value}", ago=ago / 3600)
    story.process_everything()
    assert sorted(value for _, value in counted_events(story)) == ["20", "3"]


def test_an_unreachable_account_gets_no_events(story: Story, call_price: Json) -> None:
    """What Stripe was never asked is not counted among what nobody knows."""
    story.buys(call_price)
    story.stripe.fail("timeout_before", path="/v1/billing/meter_events", times=1_000)
    records = [record_calls(story, 1, f"{number}", ago=number / 60) for number in range(40)]
    forward_due(at=story.now)
    rows = Record.objects.for_project(story.project).filter(id__in=records)
    assert 1 <= rows.exclude(forwarded_at=None).count() <= 8
    assert BackOff.objects.get().subject == "meter_event.create"
    story.stripe.world.faults.clear()
    for _ in range(3):
        story.process_everything()
    assert {forwarding_state(story, each) for each in records} == {("told", "")}
    assert sum(int(value) for _, value in counted_events(story)) == 40


def test_refused_usage_is_reported_to_the_project(story: Story, call_price: Json) -> None:
    story.buys(call_price)
    story.events()
    record_calls(story, 5, "late", ago=24 * 34)
    story.stripe.fail("no_permission", path="/v1/billing/meter_events", times=10_000)
    story.advance(days=2)
    assert "usage.refused" in story.events()
    payload = story.payload("usage.refused")
    assert (payload["meter"], payload["records"], payload["value"]) == ("api_calls", 1, 5)
    assert payload["reason"].startswith("It happened more than 35 days ago")


def test_usage_that_stripe_dropped_is_marked_and_recorded(story: Story, call_price: Json) -> None:
    """It took the event and found out later; it names some of those that it does not count."""
    story.buys(call_price)
    story.advance_to(story.now.replace(second=0) + timedelta(minutes=10))
    lost = [record_calls(story, value, f"{value}") for value in (4, 5)]
    kept = record_calls(story, 6, "kept", ago=0.05)
    story.process_everything()
    story.events()
    (meter,) = story.at_stripe("billing.meter")
    named = {"identifier": identifier(story, lost[0])}
    sample = {"error_message": "No such customer.", "request": named}
    report = {
        "id": "evt_lost",
        "object": "v2.core.event",
        "type": "v1.billing.meter.error_report_triggered",
        "livemode": False,
        "related_object": {"id": meter["id"], "type": "billing.meter", "url": "/v1/x"},
        "data": {
            "reason": {
                "error_count": 3,
                "error_types": [
                    {
                        "code": "meter_event_customer_not_found",
                        "error_count": 3,
                        "sample_errors": [sample, {"request": {"identifier": "not ours"}}],
                    }
                ],
            }
        },
    }
    post = StripePost(settings.BILLING.stripe_webhook_secrets[0])
    for _ in range(2):
        assert post(report).status_code == 200
    reason = "Stripe does not count it: meter_event_customer_not_found"
    assert [forwarding_state(story, each) for each in lost] == [("refused", reason)] * 2
    assert forwarding_state(story, kept) == ("told", "")
    assert story.events() == ["usage.refused"]
    payload = story.payload("usage.refused")
    assert (payload["records"], payload["value"], payload["reason"]) == (2, 9, reason)
    inbound_event = InboundEvent.objects.get(event_id="evt_lost")
    assert inbound_event.quarantined == "Stripe lost usage: 3 error(s), 2 named."
    meters = StripeMeter.objects.across_projects()
    ours = meters.get().stripe_id
    meters.update(stripe_id="mtr_other")
    assert post({**report, "id": "evt_other"}).status_code == 200
    assert story.events() == []
    meters.update(stripe_id=ours)


def test_usage_that_stripe_dropped_is_found_by_a_thin_report(
    story: Story, call_price: Json
) -> None:
    """The destination takes thin events: what was lost is fetched, and told to the project."""
    secret = settings.BILLING.stripe_webhook_secrets[0]
    with story.stripe.world.transaction() as tx:
        webhook_endpoints.register_endpoint(
            tx, url="https://us.example/webhooks/stripe", secret=secret, name="thin", thin=True
        )
    story.buys(call_price)
    story.advance_to(story.now.replace(second=0) + timedelta(minutes=10))
    lost = record_calls(story, 4, "lost")
    story.process_everything()
    story.events()
    set_event_error(story, lost, meter_usage.UNKNOWN_CUSTOMER)
    story.advance(hours=2)
    assert forwarding_state(story, lost) == (
        "refused",
        "Stripe does not count it: meter_event_customer_not_found",
    )
    assert story.events() == ["usage.refused"]
    inbound_event = InboundEvent.objects.get(type=meter_usage.REPORT)
    assert inbound_event.quarantined == "Stripe lost usage: 1 error(s), 1 named."
    (difference,) = differences(story)
    assert difference.endswith("4 -> 0; 1 record(s) refused")
    set_event_error(story, lost, None)
