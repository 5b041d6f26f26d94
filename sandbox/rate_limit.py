"""Stripe's rate limits: requests per second of an account, and of an account to one endpoint."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from sandbox.errors import StripeFailure

TEST_MODE_PER_SECOND = 25
"""Stripe's limit of an account in test mode; 100 in live mode."""
ENDPOINT_PER_SECOND = 25
"""Stripe's limit of one endpoint in an account, in both modes."""


class RateLimit:
    """At most ``per_second`` requests of an account within any second, and ``ENDPOINT_PER_SECOND``
    of them to one endpoint; 0: no limit."""

    def __init__(self, per_second: int = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._lock = threading.Lock()
        self._times: dict[tuple[str, str], deque[float]] = {}

    def take(self, account: str, endpoint: str) -> None:
        """Count a request. Raises 429 above a limit; a refused request does not count.

        ``endpoint``: method and path, with names in place of ids.
        """
        if not self._per_second:
            return
        with self._lock:
            now = self._clock()
            of_account = self._times_of_last_second(account, "", now)
            of_endpoint = self._times_of_last_second(account, endpoint, now)
            if len(of_account) >= self._per_second or len(of_endpoint) >= ENDPOINT_PER_SECOND:
                raise too_many_requests_error()
            of_account.append(now)
            of_endpoint.append(now)

    def _times_of_last_second(self, account: str, endpoint: str, now: float) -> deque[float]:
        times = self._times.setdefault((account, endpoint), deque())
        while times and times[0] <= now - 1:
            times.popleft()
        return times


def too_many_requests_error() -> StripeFailure:
    return StripeFailure(
        "Too many requests hit the API too quickly. We recommend an exponential backoff of your "
        "requests.",
        status=429,
        code="rate_limit",
    )
