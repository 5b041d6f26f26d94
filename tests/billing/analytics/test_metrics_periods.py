"""Calendar periods in UTC, cut to the days of the request."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.analytics.periods import DateRange, MetricsPeriod, split

DAYS = st.dates(date(2010, 1, 1), date(2040, 1, 1))


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("month", [(9, 29), (10, 1), (11, 1)]),
        ("week", [(9, 29), (10, 5), (10, 12), (10, 19), (10, 26), (11, 2)]),
    ],
)
def test_periods_begin_with_the_calendar(period: str, expected: list[tuple[int, int]]) -> None:
    days = DateRange(date(2026, 9, 29), date(2026, 11, 3))
    starts = [each.first for each in split(days, MetricsPeriod(period))]
    assert [(day.month, day.day) for day in starts] == expected


@given(DAYS, st.integers(1, 400), st.sampled_from(MetricsPeriod))
def test_periods_cover_the_days_without_holes(
    first: date, number: int, period: MetricsPeriod
) -> None:
    days = DateRange(first, first + timedelta(days=number))
    periods = list(split(days, period))
    assert periods[0].first == days.first
    assert periods[-1].before == days.before
    assert all(a.before == b.first for a, b in pairwise(periods))
    assert all(each.first < each.before for each in periods)
    longest = {"day": 1, "week": 7, "month": 31}[period]
    assert all((each.before - each.first).days <= longest for each in periods)
