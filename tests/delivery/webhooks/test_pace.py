"""How fast a lane sends: its rate is never exceeded, and a breaker stops it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from delivery.webhooks.pace import (
    FAILURES_IN_A_ROW,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MAX_IN_FLIGHT,
    REFUSALS_IN_A_ROW,
    LaneBreaker,
    Pace,
    RateBucket,
)

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@given(
    rate=st.integers(1, 100),
    steps=st.lists(st.floats(0.0001, 0.5), min_size=20, max_size=300),
)
def test_no_second_has_more_than_the_rate(rate: int, steps: list[float]) -> None:
    bucket, now, taken = RateBucket(rate, now=0.0), 0.0, []
    for step in steps:
        now += step
        while bucket.take(now):
            taken.append(now)
    for begin in taken:
        assert sum(begin <= moment < begin + 0.999999 for moment in taken) <= rate


def test_the_rate_is_reached() -> None:
    bucket = RateBucket(20, now=0.0)
    assert sum(bucket.take(number / 1000) for number in range(10_000)) >= 190


def test_failures_in_a_row_open_the_breaker_and_each_pause_is_twice_as_long() -> None:
    breaker = LaneBreaker()
    assert [breaker.fail(at=NOW) for _ in range(FAILURES_IN_A_ROW)] == [False] * 4 + [True]
    assert breaker.until == NOW + FIRST_PAUSE
    assert not breaker.fail(at=NOW)  # it was in flight
    assert breaker.until == NOW + FIRST_PAUSE
    at, pauses = NOW, [FIRST_PAUSE]
    for _ in range(9):
        assert breaker.until is not None
        at = breaker.until
        assert breaker.is_probing
        assert breaker.fail(at=at)
        pauses.append(breaker.until - at)
    assert pauses == [min(FIRST_PAUSE * 2**number, LONGEST_PAUSE) for number in range(10)]


def test_half_of_the_last_results_open_it_too() -> None:
    breaker = LaneBreaker()
    opened = []
    for _ in range(30):
        breaker.succeed()
        opened.append(breaker.fail(at=NOW))
    assert opened.index(True) == 9


def test_refusals_of_a_receiver_that_works_open_it_later() -> None:
    breaker = LaneBreaker()
    opened = [breaker.refuse(at=NOW) for _ in range(REFUSALS_IN_A_ROW)]
    assert opened == [False] * (REFUSALS_IN_A_ROW - 1) + [True]


def test_a_demanded_pause_is_kept() -> None:
    breaker = LaneBreaker()
    assert breaker.fail(at=NOW, at_least=timedelta(hours=3))
    assert breaker.until == NOW + timedelta(hours=3)


def test_after_a_pause_it_starts_slowly() -> None:
    pace = Pace(rate=80, now=0.0)
    assert pace.max_in_flight(0.0) == MAX_IN_FLIGHT
    pace.restart(100.0)
    in_flight = [pace.max_in_flight(100.0 + 5 * number) for number in range(4)]
    assert in_flight == [1, 2, 4, 4]
    pace.restart(200.0)
    first = sum(pace.take(200.0 + number / 1000) for number in range(5000))
    second = sum(pace.take(205.0 + number / 1000) for number in range(5000))
    assert 45 <= first <= 52  # an eighth of 80 a second
    assert 90 <= second <= 104
