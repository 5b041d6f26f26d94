"""Count requests of the fast path instead of logging each: a log line would cost more than the
answer.

Refusals, errors and slow answers have log lines of their own; the number of all is logged once a
minute.
"""

import time
from itertools import count

import structlog

log = structlog.get_logger("tollgate.request")

SLOW_SECONDS = 0.25
"""Seconds from which on an answer has a log line of its own."""
REPORT_SECONDS = 60.0
"""Seconds between two log lines with the number of requests."""


class RequestCounter:
    """Number of requests that this process has answered on the fast path."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._report_at = time.perf_counter() + REPORT_SECONDS
        self._reported = 0

    def count_answer(self, *, method: str, path: str, status: int, started: float) -> None:
        """Count an answer; ``started`` is from :func:`time.perf_counter`."""
        number, now = next(self._numbers), time.perf_counter()
        if status >= 400 or now - started >= SLOW_SECONDS:
            log.info(
                "request",
                method=method,
                path=path,
                status=status,
                duration_ms=round((now - started) * 1000, 1),
            )
        if now >= self._report_at:
            answered, self._reported = number - self._reported, number
            self._report_at = now + REPORT_SECONDS
            log.info("fast_path_requests", answered=answered)


request_counter = RequestCounter()
