"""What a count knows that comes late: days that were missed, and days from before."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.analytics import service as analytics
from billing.analytics.subscription_states import SubscriptionState, state_before
from billing.analytics.utc_days import end_of, start_of
from billing.models import Coupon, Subscription, SubscriptionDay
from billing.models.coupon import Duration
from tests.billing.analytics.conftest import START
from tests.billing.analytics.ledger import Ledger

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TODAY = START.date()


def closing(ledger: Ledger) -> dict[int, tuple[int, bool]]:
    """MRR at the end of each counted day, by the number of days since the first, and whether it is
    an estimate."""
    rows = SubscriptionDay.objects.for_project(ledger.project).order_by("day")
    return {(row.day - TODAY).days: (row.closing_mrr, row.is_estimate) for row in rows}


def count_on(number: int, *, hours: float = 0) -> None:
    """Count this many days after the first, in time or later."""
    at = start_of(TODAY + number * DAY) + timedelta(minutes=11, hours=hours)
    analytics.count_due(at=at)


def test_missed_days_are_counted_one_after_the_other(ledger: Ledger) -> None:
    """A start and an end are on their day; a price that changed meanwhile is on the last one that
    was missed."""
    small, large = ledger.price(1000), ledger.price(5000)
    alice = ledger.subscribe(small, "alice", at=START)
    bob = ledger.subscribe(small, "bob", at=START)
    count_on(1)
    ledger.cancel(bob, at=START + 2 * DAY)
    ledger.subscribe(small, "carol", at=START + 3 * DAY)
    ledger.change(alice, at=START + 2 * DAY, price=large)
    count_on(5, hours=2)
    assert closing(ledger) == {
        0: (2000, False),
        1: (2000, True),
        2: (5000, True),
        3: (6000, True),
        4: (6000, True),
    }


def test_a_row_that_has_changed_since_keeps_its_last_state(ledger: Ledger) -> None:
    """The mirror says past due; when that began is not stored."""
    row = ledger.subscribe(ledger.price(1000), at=START)
    count_on(1)
    ledger.change(row, at=START + 3 * DAY, status="past_due")
    count_on(5, hours=2)
    assert {day: mrr for day, (mrr, _) in closing(ledger).items()} == {
        0: 1000,
        1: 1000,
        2: 1000,
        3: 0,
        4: 0,
    }


def test_a_count_in_time_takes_the_mirror_as_it_is(ledger: Ledger) -> None:
    """A change in the minutes before the count belongs to the day that has just ended."""
    row = ledger.subscribe(ledger.price(1000), at=START)
    count_on(1)
    ledger.change(row, at=end_of(TODAY + DAY) + timedelta(minutes=5), quantity=3)
    count_on(2)
    assert closing(ledger)[1] == (3000, False)


def test_the_days_before_are_counted_from_the_mirrors(ledger: Ledger) -> None:
    price = ledger.price(1000)
    old, month = START - 500 * DAY, START - 30 * DAY
    ledger.subscribe(price, "alice", at=old)
    ledger.cancel(ledger.subscribe(price, "bob", at=old), at=month)
    ledger.subscribe(price, "carol", at=month, trial_ends_at=month + 7 * DAY)
    for _ in range(5):
        analytics.count_due(at=START)
    days = closing(ledger)
    assert (min(days), max(days)) == (-400, -1)
    assert [days[number][0] for number in (-400, -31, -30, -24, -23, -1)] == [
        *(2000, 2000, 1000, 1000, 2000, 2000)
    ]
    assert {is_estimate for number, (_, is_estimate) in days.items() if number < -1} == {True}


def state(row: Subscription, moment: datetime, *coupons: Coupon) -> SubscriptionState | None:
    loaded = Subscription.objects.for_project(row.project_id).get(pk=row.pk)
    return state_before(loaded, moment=moment, coupons={each.pk: each for each in coupons})


@pytest.fixture
def half(ledger: Ledger) -> Coupon:
    return Coupon.objects.for_project(ledger.project).create(
        account=ledger.account, percent_off=Decimal("50.00"), duration=Duration.REPEATING
    )


def discount(coupon: Coupon, ends_at: str | None = None) -> list[dict[str, Any]]:
    return [{"coupon": coupon.pk, "promotion_code": None, "ends_at": ends_at, "stripe_id": "di"}]


def test_a_discount_counts_until_it_ends(ledger: Ledger, half: Coupon) -> None:
    discounts = discount(half, "2026-04-01T00:00:00Z")
    row = ledger.subscribe(ledger.price(1000), at=START, discounts=discounts)
    end = datetime(2026, 4, 1, tzinfo=UTC)
    assert state(row, end, half) == SubscriptionState("active", 500, "usd")
    after = state(row, end + timedelta(microseconds=1), half)
    assert after == SubscriptionState("active", 1000, "usd")


@pytest.mark.parametrize(
    ("fields", "amount"),
    [
        ({"duration": "once"}, 1000),
        ({"duration": "forever"}, 500),
        ({"product_stripe_ids": ["prod_other"]}, 1000),
        ({"product_stripe_ids": ["prod_other"], "all_products": True}, 500),
        ({"percent_off": None, "amount_off": 300, "currency": "usd"}, 700),
        ({"percent_off": None, "amount_off": 300, "currency": "eur"}, 1000),
    ],
)
def test_which_discounts_count(
    ledger: Ledger, half: Coupon, fields: dict[str, Any], amount: int
) -> None:
    for name, value in fields.items():
        setattr(half, name, value)
    row = ledger.subscribe(ledger.price(1000), at=START, discounts=discount(half))
    assert state(row, START + DAY, half) == SubscriptionState("active", amount, "usd")


def test_a_coupon_that_is_not_ours_does_not_count(ledger: Ledger, half: Coupon) -> None:
    foreign = [{**discount(half)[0], "coupon": None}]
    row = ledger.subscribe(ledger.price(1000), at=START, discounts=foreign)
    assert state(row, START + DAY) == SubscriptionState("active", 1000, "usd")


def test_a_metered_price_brings_nothing(ledger: Ledger) -> None:
    meter = ledger.meter()
    row = ledger.subscribe(ledger.price(1000, meter=meter), at=START)
    assert state(row, START + DAY) == SubscriptionState("active", 0, "usd")


def test_a_pause_ends_by_itself(ledger: Ledger) -> None:
    row = ledger.subscribe(
        ledger.price(1000), at=START, pause_behavior="void", resumes_at=START + DAY
    )
    assert state(row, START + DAY) == SubscriptionState("paused", 1000, "usd")
    later = state(row, START + DAY + timedelta(seconds=1))
    assert later == SubscriptionState("active", 1000, "usd")


def test_an_unknown_status_does_not_count(ledger: Ledger) -> None:
    row = ledger.subscribe(ledger.price(1000), at=START, status="frozen")
    assert state(row, START + DAY) is None
