"""Periods at awkward dates are shown as Stripe states them, to the second.

The expected ends come from another calendar than the sandbox's (``dateutil``), and from a few rows
that were written by hand.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from billing.access import purchase_facts
from billing.models import Subscription
from billing.models.sync_object import ObjectKind
from billing.sync import service as sync
from common.times import rfc3339
from entitlements.models import Feature
from projects.models import Project
from sandbox.world import World
from tests.api_client import ApiClient
from tests.shop import Shop

STEPS = {
    "day": relativedelta(days=1),
    "week": relativedelta(weeks=1),
    "month": relativedelta(months=1),
    "year": relativedelta(years=1),
}
PLACES: dict[str, tzinfo] = {
    "UTC": UTC,
    "UTC+14": ZoneInfo("Pacific/Kiritimati"),
    "UTC-12": ZoneInfo("Etc/GMT+12"),
    "UTC-14": timezone(timedelta(hours=-14)),
    "Berlin": ZoneInfo("Europe/Berlin"),
    "New York": ZoneInfo("America/New_York"),
    "Sydney": ZoneInfo("Australia/Sydney"),
    "Lord Howe": ZoneInfo("Australia/Lord_Howe"),
    "Kolkata": ZoneInfo("Asia/Kolkata"),
}
INSTANTS = """
2026-12-31T23:59:59 UTC | 2027-01-01T00:00:00 UTC | 2026-12-31T23:59:59 UTC+14
2027-01-01T00:00:00 UTC+14 | 2026-12-31T12:00:00 UTC-12 | 2027-01-01T00:00:00 UTC-14
2027-01-28T12:00:00 UTC | 2027-01-29T00:00:00 UTC | 2027-01-30T00:00:00 UTC
2027-01-31T00:00:00 UTC | 2027-01-31T23:59:59 UTC | 2027-02-28T23:59:59 UTC
2027-03-28T01:59:59 Berlin | 2027-03-28T03:00:00 Berlin | 2027-03-28T02:30:00 Berlin
2027-10-31T02:30:00 Berlin | 2027-10-31T03:00:00 Berlin | 2027-10-30T02:30:00 Berlin
2027-03-14T01:59:59 New York | 2027-03-14T03:00:00 New York | 2027-11-07T01:30:00 New York
2027-04-04T02:30:00 Sydney | 2027-10-03T03:00:00 Sydney | 2027-04-04T01:45:00 Lord Howe
2027-03-31T00:00:00 Kolkata | 2027-05-31T05:29:59 Kolkata | 2027-08-31T05:30:00 Kolkata
2027-03-31T12:00:00 UTC | 2027-04-30T12:00:00 UTC | 2027-05-31T12:00:00 UTC
2027-07-31T12:00:00 UTC | 2027-08-31T12:00:00 UTC | 2027-10-31T12:00:00 UTC
2027-12-31T00:00:00 UTC+14 | 2027-12-31T23:59:59 UTC-12 | 2028-01-29T12:00:00 UTC
2028-01-30T12:00:00 UTC | 2028-01-31T12:00:00 UTC | 2028-02-28T12:00:00 UTC
2028-02-28T23:59:59 UTC | 2028-02-29T00:00:00 UTC | 2028-02-29T23:59:59 UTC
2028-02-29T23:59:59 UTC-12 | 2028-02-29T00:00:00 UTC+14 | 2028-03-01T00:00:00 UTC
2028-12-31T12:00:00 UTC | 2029-02-28T00:00:00 UTC | 2031-12-31T23:59:59 UTC
2032-02-29T06:00:00 UTC | 2035-12-31T23:59:59 UTC+14 | 2036-02-29T00:00:00 Berlin
2037-12-31T23:59:59 UTC | 2038-01-19T03:14:06 UTC | 2038-01-19T03:14:07 UTC
2038-01-19T03:14:08 UTC | 2038-01-31T12:00:00 UTC
"""
BY_HAND = {
    ("2027-01-31T00:00:00 UTC", "month"): "2027-02-28T00:00:00Z",
    ("2028-01-31T12:00:00 UTC", "month"): "2028-02-29T12:00:00Z",
    ("2028-02-29T00:00:00 UTC", "year"): "2029-02-28T00:00:00Z",
    ("2027-01-01T00:00:00 UTC-14", "day"): "2027-01-02T14:00:00Z",
    ("2027-03-28T01:59:59 Berlin", "day"): "2027-03-29T00:59:59Z",
    ("2027-10-30T02:30:00 Berlin", "week"): "2027-11-06T00:30:00Z",
    ("2027-11-07T01:30:00 New York", "month"): "2027-12-07T05:30:00Z",
    ("2027-12-31T00:00:00 UTC+14", "month"): "2028-01-30T10:00:00Z",
    ("2038-01-19T03:14:07 UTC", "year"): "2039-01-19T03:14:07Z",
    ("2037-12-31T23:59:59 UTC", "month"): "2038-01-31T23:59:59Z",
}


def instants() -> Iterator[tuple[datetime, str]]:
    """In order of time, each in UTC and as it is written."""
    written = [each.strip() for line in INSTANTS.strip().split("\n") for each in line.split("|")]
    return iter(sorted((_utc(text), text) for text in written))


def _utc(text: str) -> datetime:
    local, place = text.split(" ", 1)
    return datetime.fromisoformat(local).replace(tzinfo=PLACES[place]).astimezone(UTC)


def begin(world: World, at: datetime) -> None:
    world.move_clock(int(at.timestamp()))


Shown = tuple[dict[str, str], str | None, str | None]
"""The ends of its periods by interval, its end, and that of its trial."""


def test_shown_periods_equal_stripes_periods(
    shop: Shop, project: Project, api: ApiClient, sso: Feature
) -> None:
    """Each instant begins periods of every interval on one subscription. Every third one ends with
    the longest of them, and every third with its trial at the same second."""
    prices = {step: shop.price(shop.product(step, sso), interval=step) for step in STEPS}
    sold = [{"price": price.stripe_id} for price in prices.values()]
    expected: dict[str, Shown] = {}
    for number, (at, text) in enumerate(instants()):
        begin(shop.stripe.world, at)
        ends = {step: rfc3339(at + length) for step, length in STEPS.items()}
        for step, end in ends.items():
            assert BY_HAND.get((text, step), end) == end, text
        until, fields = at + STEPS["year"], dict[str, Any]()
        if number % 3 == 2:
            until = at + STEPS["month"]
            fields["trial_end"] = int(until.timestamp())
            ends = dict.fromkeys(ends, rfc3339(until))
        if number % 3:
            fields["cancel_at_period_end"] = True
        buyer = shop.buyer(f"user-{number}")
        stripe_id = shop.subscribe(buyer, prices["day"], items=sold, **fields)
        sync.now(account=shop.account, kind=ObjectKind.SUBSCRIPTION, stripe_id=stripe_id, at=at)
        stop = rfc3339(until) if number % 3 else None
        expected[stripe_id] = (ends, stop, stop if number % 3 == 2 else None)
    assert len(expected) * len(STEPS) >= 200
    assert shown_subscriptions(api, {price.pk: step for step, price in prices.items()}) == expected
    for row in Subscription.objects.for_project(project).order_by("id")[:3]:
        assert {claim.ends_at for claim in purchase_facts.of_subscription(row)} == {row.cancel_at}


def shown_subscriptions(api: ApiClient, steps: dict[str, str]) -> dict[str, Shown]:
    """Every subscription, as its tenant sees it."""
    page = api.get("/subscriptions", query={"limit": 100}).json()
    assert not page["has_more"]
    return {
        row["stripe_id"]: (
            {steps[item["price"]]: item["period_end"] for item in row["items"]},
            row["cancel_at"],
            row["trial_ends_at"],
        )
        for row in page["data"]
    }
