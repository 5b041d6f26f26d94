"""A day is counted once, after its end, page by page, whatever happened in it."""

from datetime import timedelta
from typing import Any

import pytest

from billing.analytics import service as analytics
from billing.analytics.utc_days import end_of, start_of
from billing.models import AnalyticsProgress, SubscriptionSpan
from projects.models import Project
from tests.billing.analytics.conftest import DAY, START
from tests.billing.analytics.counted_days import MINUTES, count_day, mrr, stored_days
from tests.billing.analytics.ledger import Ledger

pytestmark = pytest.mark.django_db


def test_a_month_of_one_customer(ledger: Ledger) -> None:
    project, first = ledger.project, START.date()
    small, large = ledger.price(1000), ledger.price(3000)
    row = ledger.subscribe(small, at=START)
    days = [first + number * DAY for number in range(7)]
    changes: list[dict[str, Any]] = [
        {},
        {"price": large},
        {"quantity": 2},
        {"status": "past_due"},
        {"status": "active"},
        {"price": small},
        {"status": "canceled", "ended_at": START + 6 * DAY},
    ]
    for day, change in zip(days, changes, strict=True):
        ledger.change(row, at=start_of(day) + 10 * MINUTES, **change)
        count_day(day)
    assert [mrr(project, day) for day in days] == [
        {"new": 1000, "closing": 1000},
        {"opening": 1000, "expansion": 2000, "closing": 3000},
        {"opening": 3000, "expansion": 3000, "closing": 6000},
        {"opening": 6000, "churned": 6000, "past_due": 6000},
        {"reactivation": 6000, "closing": 6000},
        {"opening": 6000, "contraction": 4000, "closing": 2000},
        {"opening": 2000, "churned": 2000},
    ]
    rows = stored_days(project)
    assert rows[days[3], "usd"].churned_past_due_mrr == 6000
    assert rows[days[4], "usd"].recovered_mrr == 6000
    assert [rows[day, "usd"].canceled for day in days] == [0, 0, 0, 0, 0, 0, 1]
    assert [rows[day, "usd"].started for day in days] == [1, 0, 0, 0, 0, 0, 0]


def test_nothing_but_active_subscriptions_brings_mrr(ledger: Ledger) -> None:
    price = ledger.price(1000)
    ends = START + 9 * DAY
    ledger.subscribe(price, "t", at=START, status="trialing", trial_ends_at=ends)
    ledger.subscribe(price, "p", at=START, pause_behavior="keep_as_draft")
    ledger.subscribe(price, "q", at=START, status="paused")
    ledger.subscribe(price, "d", at=START, status="past_due")
    ledger.subscribe(price, "u", at=START, status="unpaid")
    ledger.subscribe(price, "i", at=START, status="incomplete")
    ledger.subscribe(price, "x", at=START, status="incomplete_expired", ended_at=START)
    ledger.subscribe(price, "c", at=START, cancel_at=ends, canceled_at=START)
    count_day(START.date())
    row = stored_days(ledger.project)[START.date(), "usd"]
    assert (row.active, row.trialing, row.paused, row.past_due, row.unpaid) == (1, 1, 2, 1, 1)
    assert (row.closing_mrr, row.past_due_mrr, row.customers) == (1000, 1000, 1)
    assert (row.started, row.canceled) == (6, 0)


def test_a_day_ends_at_midnight_utc(ledger: Ledger) -> None:
    """What happens at midnight belongs to the day that begins."""
    price, midnight = ledger.price(1000), end_of(START.date())
    ledger.subscribe(price, "alice", at=midnight - timedelta(seconds=1))
    ledger.subscribe(price, "bob", at=midnight)
    row = ledger.subscribe(price, "carol", at=START)
    ledger.cancel(row, at=midnight)
    count_day(START.date())
    count_day(midnight.date())
    assert mrr(ledger.project, START.date()) == {"new": 2000, "closing": 2000}
    assert mrr(ledger.project, midnight.date()) == {
        "opening": 2000,
        "new": 1000,
        "churned": 1000,
        "closing": 2000,
    }


def test_a_day_waits_for_its_last_webhooks(ledger: Ledger) -> None:
    ledger.subscribe(ledger.price(1000), at=START)
    analytics.count_due(at=end_of(START.date()) + timedelta(minutes=9))
    assert stored_days(ledger.project) == {}
    analytics.count_due(at=end_of(START.date()) + timedelta(minutes=10))
    assert mrr(ledger.project, START.date()) == {"new": 1000, "closing": 1000}


def test_currencies_are_never_added(ledger: Ledger) -> None:
    ledger.subscribe(ledger.price(1000), at=START)
    ledger.subscribe(ledger.price(2000, "jpy"), at=START)
    count_day(START.date())
    assert mrr(ledger.project, START.date()) == {"new": 1000, "closing": 1000}
    assert mrr(ledger.project, START.date(), "jpy") == {"new": 2000, "closing": 2000}


def test_the_mrr_of_a_customer_is_that_of_all_subscriptions(ledger: Ledger) -> None:
    """A second plan is expansion, and losing one of two is contraction."""
    price = ledger.price(1000)
    first = ledger.subscribe(price, at=START)
    count_day(START.date())
    ledger.subscribe(price, at=START + DAY)
    count_day(START.date() + DAY)
    ledger.cancel(first, at=START + 2 * DAY)
    count_day(START.date() + 2 * DAY)
    assert mrr(ledger.project, START.date() + DAY)["expansion"] == 1000
    assert mrr(ledger.project, START.date() + 2 * DAY)["contraction"] == 1000


def test_counting_is_done_page_by_page_and_goes_on(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytics, "PAGE", 2)
    price = ledger.price(1000)
    for number in range(5):
        ledger.subscribe(price, f"user-{number}", at=START)
    at = end_of(START.date()) + MINUTES
    assert analytics.count_due(at=at, pages=2) == 2
    assert stored_days(ledger.project) == {}
    assert SubscriptionSpan.objects.for_project(ledger.project).count() == 4
    analytics.count_due(at=at)
    assert mrr(ledger.project, START.date()) == {"new": 5000, "closing": 5000}


def test_a_page_that_is_written_twice_changes_nothing(ledger: Ledger) -> None:
    row = ledger.subscribe(ledger.price(1000), at=START)
    count_day(START.date())
    ledger.change(row, at=START + DAY, quantity=3)
    progress = AnalyticsProgress.objects.for_project(ledger.project)
    spans = SubscriptionSpan.objects.for_project(ledger.project).order_by("starts_on")
    count_day(START.date() + DAY)
    expected = list(spans.values_list("starts_on", "ends_on", "amount"))
    progress.update(next_day=START.date() + DAY, due_at=START)
    count_day(START.date() + DAY)
    assert list(spans.values_list("starts_on", "ends_on", "amount")) == expected
    assert mrr(ledger.project, START.date() + DAY) == {
        "opening": 1000,
        "expansion": 2000,
        "closing": 3000,
    }


def test_projects_take_turns(
    ledger: Ledger, other_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project with much to count delays its neighbour by one page."""
    monkeypatch.setattr(analytics, "PAGE", 1)
    neighbour = Ledger(other_project)
    price, other_price = ledger.price(1000), neighbour.price(7)
    for number in range(9):
        ledger.subscribe(price, f"user-{number}", at=START)
    neighbour.subscribe(other_price, at=START, status="incomplete")
    analytics.count_due(at=end_of(START.date()) + MINUTES, pages=3)
    assert stored_days(ledger.project) == {}
    progress = AnalyticsProgress.objects.for_project(other_project).get()
    assert progress.next_day is not None
    assert progress.next_day > START.date()


def test_a_project_that_cannot_be_counted_delays_no_other(
    ledger: Ledger, other_project: Project
) -> None:
    neighbour = Ledger(other_project)
    neighbour.subscribe(neighbour.price(7), at=START)
    broken = ledger.subscribe(ledger.price(1000), at=START)
    ledger.change(broken, at=START, discounts=[{"coupon": "cpn_x", "ends_at": "no time"}])
    count_day(START.date())
    assert mrr(other_project, START.date()) == {"new": 7, "closing": 7}
    assert stored_days(ledger.project) == {}
