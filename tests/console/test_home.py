"""The home page's counts are correct."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import Payment, Refund, StripeEndpoint, Subscription, SyncObject
from common import heartbeats
from common.money import Money
from common.row_counts import RowCount
from config.schedule import POLLED
from console import home
from console.home import SubscriptionCount, Takings
from projects.models import Project
from tests.console.world import build
from webhooks.models import InboundEvent

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


def test_an_empty_database_shows_zeros() -> None:
    page_context = home.gather(NOW)

    assert set(page_context["counts"].values()) == {RowCount(0, None)}
    assert page_context["takings"] == []
    assert page_context["parked"] == []
    assert page_context["events_today"] == 0
    assert len(page_context["hours"]) == 24


def test_the_inbox_counts_events_by_status() -> None:
    build(size=8, now=NOW)
    InboundEvent.objects.create(
        endpoint=StripeEndpoint.objects.get(),
        event_id="evt_bad",
        body=b"",
        quarantined="Not JSON.",
        received_at=NOW - timedelta(days=2),
        last_received_at=NOW,
    )

    counts = home.counts()
    states = ("waiting", "parked", "foreign", "quarantined")
    assert [counts[state].n for state in states] == [2, 2, 2, 1]
    assert counts["unprocessed"].oldest == NOW - timedelta(hours=5)
    assert counts["newest_event"].oldest == NOW


def test_an_old_event_of_a_waiting_object_counts_as_done() -> None:
    world = build(size=2, now=NOW)
    world.sync_object.applied = 1
    world.sync_object.save()

    assert home.counts()["waiting"].n == 1
    assert home.counts()["unprocessed"] == RowCount(0, None)


def test_events_are_counted_by_hour() -> None:
    build(size=3, now=NOW)

    hours = home.hourly(NOW)

    assert [(hour.at.hour, hour.events, hour.percent) for hour in hours[-4:]] == [
        (9, 0, 0),
        (10, 1, 100),
        (11, 1, 100),
        (12, 1, 100),
    ]
    assert sum(hour.events for hour in hours) == 3


def test_subscriptions_of_all_projects_are_counted() -> None:
    build(size=5)
    build(size=2, name="Neighbour")

    counts = home.subscriptions()

    assert [counts[each].test for each in ("active", "trialing", "past_due")] == [3, 2, 1]
    assert [counts[each].live for each in ("active", "trialing", "past_due")] == [0, 0, 0]
    assert Subscription.objects.across_projects().count() == 7


def test_takings_are_summed_by_currency() -> None:
    world = build(size=2, now=NOW)
    yen = Payment.objects.for_project(world.project).order_by("pk")[0]
    yen.currency, yen.amount, yen.amount_received, yen.amount_refunded = "jpy", 5000, 5000, 0
    yen.save()
    Refund.objects.for_project(world.project).filter(payment=yen).update(status="failed")
    Payment.objects.for_project(world.project).create(
        account=world.account,
        customer=world.customer,
        stripe_id="pi_old",
        status="paid",
        stripe_status="succeeded",
        currency="usd",
        amount=100,
        amount_received=100,
        paid_at=NOW - timedelta(days=8),
    )

    assert home.takings(NOW) == [
        Takings(
            livemode=False,
            count=1,
            gross=Money(5000, "jpy"),
            refunded=Money(0, "jpy"),
            disputed=Money(0, "jpy"),
        ),
        Takings(
            livemode=False,
            count=1,
            gross=Money(2900, "usd"),
            refunded=Money(900, "usd"),
            disputed=Money(2000, "usd"),
        ),
    ]


def test_live_money_is_not_added_to_test_money() -> None:
    build(size=2, now=NOW)
    live = build(size=1, name="Neighbour", now=NOW).project
    live.livemode = True
    live.save()

    takings = home.takings(NOW)
    assert [(each.livemode, each.count) for each in takings] == [(True, 1), (False, 2)]
    assert [each.gross for each in takings] == [Money(2900, "usd"), Money(5800, "usd")]
    assert home.subscriptions()["active"] == SubscriptionCount(live=1, test=1)


def test_late_tasks_are_listed_first(viewer: Client) -> None:
    now = timezone.now()
    heartbeats.beat_all(dict.fromkeys(POLLED, now))
    heartbeats.beat(name="entitlements.expire_credits", at=now - timedelta(minutes=5))

    runs = home.gather(now)["chores"]
    assert [(each.task, each.is_late) for each in runs[:2]] == [
        ("entitlements.expire_credits", True),
        (runs[1].task, False),
    ]
    page = viewer.get("/admin/").text
    assert "Expire credits" in page
    assert page.index("Expire credits") < page.index("Sync what is due")


def test_the_home_page_shows_the_counts(viewer: Client) -> None:
    build(size=3)

    answer = viewer.get("/admin/")

    assert "29.00 USD" not in answer.text
    assert "87.00 USD" in answer.text
    assert "40.00 USD" in answer.text, "disputed"
    assert "20.00 USD" in answer.text, "net"
    assert SyncObject.objects.filter(parked_at__isnull=False).count() == 1
    assert "DependencyMissing: waits" in answer.text
    assert Project.objects.count() == 1
