"""Billing periods follow the calendar from their anchor."""

import calendar
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.billing.billing_periods import end_of_period, period_boundary, start_of_period


def timestamp(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def every(interval: str, count: int = 1) -> dict[str, object]:
    return {"interval": interval, "interval_count": count}


@pytest.mark.parametrize(
    ("anchor", "recurring", "ends"),
    [
        (
            "2026-01-31T10:00",
            every("month"),
            ["2026-02-28T10:00", "2026-03-31T10:00", "2026-04-30T10:00", "2026-05-31T10:00"],
        ),
        (
            "2027-11-30T00:00",
            every("month"),
            ["2027-12-30T00:00", "2028-01-30T00:00", "2028-02-29T00:00", "2028-03-30T00:00"],
        ),
        (
            "2026-08-31T23:59:59",
            every("month", 3),
            ["2026-11-30T23:59:59", "2027-02-28T23:59:59", "2027-05-31T23:59:59"],
        ),
        ("2028-02-29T12:00", every("year"), ["2029-02-28T12:00", "2030-02-28T12:00"]),
        ("2024-02-29T12:00", every("year", 2), ["2026-02-28T12:00", "2028-02-29T12:00"]),
        ("2026-12-30T08:00", every("week", 2), ["2027-01-13T08:00", "2027-01-27T08:00"]),
        ("2026-03-28T02:30", every("day"), ["2026-03-29T02:30", "2026-03-30T02:30"]),
    ],
)
def test_periods_are_counted_from_the_anchor(anchor, recurring, ends):
    start = timestamp(anchor)
    for expected in ends:
        start = end_of_period(timestamp(anchor), recurring, start)
        assert start == timestamp(expected)


def test_an_anchor_ahead_cuts_the_first_period_short():
    anchor, now = timestamp("2026-03-31T00:00"), timestamp("2026-03-05T00:00")
    assert end_of_period(anchor, every("month"), now) == anchor
    assert start_of_period(anchor, every("month"), now) == timestamp("2026-02-28T00:00")


@given(
    anchor=st.integers(0, 4_000_000_000),
    interval=st.sampled_from(["day", "week", "month", "year"]),
    count=st.integers(1, 3),
    wait=st.integers(-30_000_000, 400_000_000),
)
def test_every_moment_lies_in_one_period(anchor, interval, count, wait):
    recurring, moment = every(interval, count), anchor + wait
    start = start_of_period(anchor, recurring, moment)
    end = end_of_period(anchor, recurring, moment)
    assert start <= moment < end
    assert end_of_period(anchor, recurring, start) == end
    assert start_of_period(anchor, recurring, end) == end


@given(anchor=st.integers(0, 4_000_000_000), number=st.integers(0, 240))
def test_months_keep_the_anchors_day_where_they_have_it(anchor, number):
    first = datetime.fromtimestamp(anchor, UTC)
    then = datetime.fromtimestamp(period_boundary(anchor, every("month"), number), UTC)
    last_day = calendar.monthrange(then.year, then.month)[1]
    assert then.day == min(first.day, last_day)
    assert then.time() == first.time()
    assert then.year * 12 + then.month == first.year * 12 + first.month + number
