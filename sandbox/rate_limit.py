"""Stripe's rate limit: requests per second and account, 25 in test mode."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from sandbox.errors import StripeFailure

TEST_MODE_PER_SECOND = 25
"""Stripe's limit in test mode."""


class RateLimit:
    """At most ``per_second`` requests of an account within any second; 0: no limit."""

    def __init__(self, per_second: int = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def take(self, account: str) -> None:
        """Count a request. Raises 429 above the limit; a refused request does not count."""
        if not self._per_second:
            return
        with self._lock:
            now = self._clock()
            times = self._times.setdefault(account, deque())
            while times and times[0] <= now - 1:
                times.popleft()
            if len(times) >= self._per_second:
                raise too_many_requests_error()
            times.append(now)


def too_many_requests_error() -> StripeFailure:
    return StripeFailure(
        "Too many requests hit the API too quickly. We recommend an exponential backoff of your "
        "requests.",
        status=429,
        code="rate_limit",
    )
