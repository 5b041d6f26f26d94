import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from common import redis


@pytest.fixture(autouse=True)
def _closed_breaker() -> Iterator[None]:
    redis.breaker.close()
    yield
    redis.breaker.close()


def test_a_living_redis_answers() -> None:
    redis.attempt(lambda client: client.set("tests:common", "1", ex=5), otherwise=None)

    assert redis.attempt(lambda client: client.get("tests:common"), otherwise=None) == "1"
    assert redis.ping()


def test_a_frozen_redis_costs_one_caller_a_quarter_of_a_second(
    settings: Settings, silent_port: int
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_port}/0"
    away: Any = "away"
    started = time.monotonic()
    assert redis.attempt(lambda client: client.get("x"), otherwise=away) == "away"
    first = time.monotonic() - started
    assert 0.2 < first < 1

    started = time.monotonic()
    for _ in range(100):
        assert redis.attempt(lambda client: client.get("x"), otherwise=away) == "away"
    assert time.monotonic() - started < 0.1


def test_the_breaker_closes_by_itself() -> None:
    breaker = redis.Breaker(open_for=0.05)
    breaker.trip()
    assert breaker.is_open
    time.sleep(0.06)
    assert not breaker.is_open


def test_a_mistake_of_ours_is_not_taken_for_a_dead_redis() -> None:
    def mistaken(client: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        redis.attempt(mistaken, otherwise=None)
    assert not redis.breaker.is_open
