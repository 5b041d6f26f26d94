"""One guarded way to Redis, which may vanish at any moment.

Every call has a 0.25 s budget. After a failure the breaker stays open for a few seconds, in
which calls fail at once instead of waiting: a frozen Redis costs one request in a while its
quarter of a second, and nobody else anything. Nothing kept in Redis is needed to rebuild truth.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
import structlog
from django.conf import settings

log = structlog.get_logger(__name__)
T = TypeVar("T")

TIMEOUT = 0.25
"""Seconds that one call may wait for Redis."""
OPEN_FOR = 5.0
"""Seconds for which the breaker stays open after a failure."""


class Breaker:
    """Remembers for a moment that a dependency failed."""

    def __init__(self, open_for: float = OPEN_FOR) -> None:
        self._open_for = open_for
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def trip(self) -> None:
        self._open_until = time.monotonic() + self._open_for

    def close(self) -> None:
        self._open_until = 0.0


breaker = Breaker()
_lock = threading.Lock()
_clients: dict[str, redis.Redis] = {}


def client() -> redis.Redis:
    """The process-wide client of ``REDIS_URL``; thread-safe, bounded waits, no retries."""
    url = settings.REDIS_URL
    with _lock:
        if url not in _clients:
            _clients[url] = redis.Redis.from_url(
                url,
                protocol=2,
                decode_responses=True,
                socket_timeout=TIMEOUT,
                socket_connect_timeout=TIMEOUT,
                retry=None,
                health_check_interval=0,
            )
        return _clients[url]


def attempt(call: Callable[[redis.Redis], T], *, otherwise: T) -> T:
    """The call's answer, or ``otherwise`` at once when Redis is away."""
    if breaker.is_open:
        return otherwise
    try:
        return call(client())
    except (redis.RedisError, OSError) as error:
        breaker.trip()
        log.warning("redis_unavailable", error=type(error).__name__)
        return otherwise


def ping() -> bool:
    """Whether Redis answers now, whatever the breaker says."""
    try:
        return bool(client().ping())
    except (redis.RedisError, OSError):
        return False


__all__: list[Any] = ["Breaker", "attempt", "breaker", "client", "ping"]
