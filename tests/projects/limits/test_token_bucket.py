"""Laws of the token buckets, whatever the order and the times of the requests."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.limits.token_bucket import (
    RENEW_SECONDS,
    Limit,
    Quota,
    SharedCount,
    TokenBucket,
)

PAUSES = st.lists(st.integers(min_value=0, max_value=3000), min_size=1, max_size=40)
"""Milliseconds between two requests."""
RATES = st.integers(min_value=1, max_value=50)


def quota_of(*rates: float, at: float = 0.0) -> Quota:
    """A quota with these rates, and buckets for two seconds of each."""
    limits = [Limit(f"name{n}", f"subject{n}", rate, 2 * rate) for n, rate in enumerate(rates)]
    return Quota(tuple(TokenBucket(limit, at=at) for limit in limits))


@given(pauses=PAUSES, rate=RATES, other=RATES)
def test_never_more_than_a_full_bucket_and_the_rate_allow(
    pauses: list[int], rate: int, other: int
) -> None:
    quota, now, allowed = quota_of(rate, other), 0.0, 0
    for pause in pauses:
        now += pause / 1000
        allowed += quota.take(now) == 0.0
    narrow = min(rate, other)
    assert allowed <= 2 * narrow + narrow * now + 1e-6


@given(pauses=PAUSES, rate=RATES, other=RATES)
def test_the_wait_is_true_to_the_microsecond(pauses: list[int], rate: int, other: int) -> None:
    """Earlier the request is refused, at the time it is allowed; a refusal takes nothing."""
    quota, now = quota_of(rate, other), 0.0
    for pause in pauses:
        now += pause / 100_000
        while (wait := quota.take(now)) == 0.0:
            pass
        assert quota.take(now + wait - 1e-6) > 0.0
        assert quota.take(now + wait + 1e-6) == 0.0
        now += wait + 1e-6


@given(pauses=PAUSES, rate=st.integers(min_value=200, max_value=2000))
def test_portions_allow_no_more_and_lose_nothing(pauses: list[int], rate: int) -> None:
    """Requests that take their tokens in portions are allowed as often as single ones would be, but
    for what is prepaid while the bucket would be full."""
    quota, single, now = quota_of(rate), quota_of(rate), 0.0
    allowed = expected = 0
    for pause in pauses:
        now += pause / 100_000
        for _ in range(30):
            expected += single.take(now) == 0.0
            if quota.prepaid and now < quota.renew_at:
                quota.prepaid -= 1
                allowed += 1
            else:
                allowed += quota.renew(now)
    assert expected - quota.portion <= allowed <= expected


def test_the_headers_name_the_bucket_with_the_smallest_part_left() -> None:
    quota = quota_of(10, 100)
    assert quota.policy == '"name0";q=20;w=2, "name1";q=200;w=2'
    for _ in range(5):
        quota.take(0.0)
    assert dict(quota.headers()) == {
        "RateLimit-Policy": '"name0";q=20;w=2, "name1";q=200;w=2',
        "RateLimit": '"name0";r=15;t=1',
    }
    quota.buckets[1].level = 40.4
    assert dict(quota.headers())["RateLimit"] == '"name1";r=40;t=2'


def test_a_debt_is_shown_as_nothing_left() -> None:
    quota = quota_of(10)
    quota.buckets[0].adopt(SharedCount(-15.0, taken=35), reported=20, at=0.0)
    assert dict(quota.headers())["RateLimit"] == '"name0";r=0;t=4'
    assert quota.wait(0.0) == 1.6


def test_shown_headers_are_renewed_with_the_portion() -> None:
    quota = quota_of(1000)
    assert quota.renew(0.0)
    assert quota.shown[1] == ("RateLimit", '"name0";r=1990;t=1')
    for _ in range(9):
        quota.prepaid -= 1
    assert quota.renew(RENEW_SECONDS)
    assert quota.shown[1] == ("RateLimit", '"name0";r=1990;t=1')
    assert quota.buckets[0].taken == 20


class SharedBucket:
    """What Redis does with the counts of all processes (``shared_counts``)."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._level, self._at, self._taken = limit.size, 0.0, 0

    def exchange(self, bucket: TokenBucket, at: float) -> None:
        reported, bucket.taken = bucket.taken, 0
        refilled = self._level + (at - self._at) * self._limit.rate
        self._level = max(min(refilled, self._limit.size) - reported, -self._limit.size)
        self._at, self._taken = at, self._taken + reported
        bucket.adopt(SharedCount(self._level, self._taken), reported=reported, at=at)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_at_full_speed_share_one_limit_evenly(processes: int) -> None:
    """Once they know of each other, hardly a tenth of a second goes by without a request, and over
    time it is the limit."""
    rate, seconds, settled = 100, 60, 20
    limit = Limit("requests", "subject", rate, 5 * rate)
    shared, buckets = SharedBucket(limit), [TokenBucket(limit, at=0.0) for _ in range(processes)]
    allowed: Counter[int] = Counter()
    for step in range(seconds * 100):
        now = step / 100
        for number, bucket in enumerate(buckets):
            while bucket.refill(now) >= 1:
                bucket.level -= 1
                bucket.taken += 1
                allowed[step // 10] += 1
            if step % 100 == 17 * number:
                shared.exchange(bucket, now)
    tenths = [allowed[each] for each in range(settled * 10, seconds * 10)]
    assert sum(tenths) / (seconds - settled) == pytest.approx(rate, rel=0.05)
    assert tenths.count(0) <= len(tenths) / 20


def test_a_process_that_was_silent_may_use_the_limit_again() -> None:
    """The other one has taken all of it meanwhile, and stops."""
    limit = Limit("requests", "subject", 100, 500)
    shared, silent, loud = SharedBucket(limit), TokenBucket(limit, at=0.0), TokenBucket(limit, at=0)
    silent.level -= 1
    silent.taken += 1
    shared.exchange(silent, 0.0)
    for second in range(1, 30):
        while loud.refill(second) >= 1:
            loud.level -= 1
            loud.taken += 1
        shared.exchange(loud, second)
        silent.count_alone()  # as the limiter does with a bucket that nobody uses
    assert silent.rate == limit.rate
    for second in range(30, 45):
        silent.refill(second)
        silent.level -= 50
        silent.taken += 50
        shared.exchange(silent, second)
    assert silent.rate >= 50
