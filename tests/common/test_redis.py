import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings
from redis import ResponseError

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


def test_an_exchange_survives_a_server_that_has_hung_up_and_tells_what_was_refused() -> None:
    (line,) = redis.exchange(("CLIENT", "ID"))
    redis.client().client_kill_filter(_id=str(line))

    assert redis.exchange(("SET", "tests:exchange", b"\0\n", "EX", 5)) == [b"OK"]
    asked = [("GET", "tests:exchange"), ("NO-SUCH",), ("GET", "tests:nothing"), ("CLIENT", "ID")]
    found, refused, nothing, another = redis.exchange(*asked)
    assert (found, nothing) == (b"\0\n", None)
    assert isinstance(refused, ResponseError)
    assert another != line
    assert not redis.breaker.is_open


def test_an_exchange_reads_replies_that_come_in_pieces() -> None:
    long = b"x" * 1_000_000
    redis.exchange(("SET", "tests:long", long, "EX", 5))
    assert redis.exchange(("GET", "tests:long"), ("GET", "tests:long")) == [long, long]
