"""What is hot is counted instead of logged: a line for each would cost more than the answer.

Refusals, errors and slow answers have their line; how many had none is logged once a minute.
"""

import time
from itertools import count

import structlog

log = structlog.get_logger("tollgate.request")

SLOW = 0.25
"""Seconds from which on an answer has a line of its own."""
EVERY = 60.0
"""Seconds between two lines that say how many requests had none."""


class Tally:
    """How many requests this process has answered on the short way."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._report_at = time.perf_counter() + EVERY
        self._reported = 0

    def note(self, *, method: str, path: str, status: int, started: float) -> None:
        """One more answer; ``started`` by :func:`time.perf_counter`."""
        number, now = next(self._numbers), time.perf_counter()
        if status >= 400 or now - started >= SLOW:
            log.info(
                "request",
                method=method,
                path=path,
                status=status,
                duration_ms=round((now - started) * 1000, 1),
            )
        if now >= self._report_at:
            answered, self._reported = number - self._reported, number
            self._report_at = now + EVERY
            log.info("hot_requests", answered=answered)


tally = Tally()
