"""Record calls of a metered price, and read what Stripe counts of them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO

from django.core.management import call_command

from sandbox import meter_usage
from tests.scenarios.story import Story
from usage.models import Record

CENTS = 3
"""What one call costs."""


def record_calls(story: Story, value: int, key: str, *, user: str = "alice", ago: float = 0) -> str:
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


def invoice_totals(story: Story, user: str = "alice") -> list[int]:
    """The total of each invoice in cents, newest first."""
    invoices = story.get("/invoices", user_id=user)["data"]
    return [each["total"]["amount"] for each in invoices]


def forwarding_state(story: Story, record: str) -> tuple[str, str]:
    """The record's forwarding status and error."""
    row = Record.objects.for_project(story.project).get(id=record)
    return row.forwarding, row.forwarding_error


def counted_events(story: Story) -> list[tuple[str, str]]:
    """The events that count at Stripe: identifier and value."""
    with story.stripe.world.transaction() as tx:
        events = tx.list_objects(meter_usage.EVENT, lambda event: not event["canceled"])
    return [(event["id"], event["value"]) for event in events]


def identifier(story: Story, record: str) -> str:
    """Of the event that tells Stripe of the record."""
    return Record.objects.for_project(story.project).get(id=record).event_identifier


def differences(story: Story) -> list[str]:
    """The usage differences that ``reconcile --dry-run`` prints."""
    out = StringIO()
    with suppress(SystemExit):
        call_command("reconcile", "--dry-run", stdout=out)
    return [line for line in out.getvalue().splitlines() if line.startswith("usage of ")]
