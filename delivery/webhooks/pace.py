"""How fast a lane may send: its rate, and its breaker. Values without a database or a clock."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MAX_IN_FLIGHT = 4
"""Requests to one endpoint at the same time."""
FAILURES_IN_A_ROW = 5
"""Of the receiver's network or server, which open the breaker."""
REFUSALS_IN_A_ROW = 20
"""Other answers that are no success, such as 404, which open it too."""
WINDOW, FAILED_IN_WINDOW = 20, 10
"""Half of the last results open it."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=30)
STEP_SECONDS = 5.0
"""After a pause, the allowed requests in flight and the rate are doubled at this interval."""


class RateBucket:
    """At most ``rate`` tokens in any second, by a monotonic clock."""

    def __init__(self, rate: float, *, now: float) -> None:
        self.rate = rate
        self._tokens = 1.0
        self._filled_at = now

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        burst = max(1.0, self.rate // 10)
        gained = (now - self._filled_at) * (self.rate - (burst - 1))
        self._tokens = min(burst, self._tokens + max(gained, 0.0))
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


@dataclass(slots=True)
class LaneBreaker:
    """Failures in a row, and the pause that they cause. ``pauses`` counts the pauses since the last
    success; each is twice as long."""

    failures: int = 0
    pauses: int = 0
    until: datetime | None = None
    _refusals: int = 0
    _results: "deque[bool]" = field(default_factory=lambda: deque(maxlen=WINDOW))

    @property
    def is_probing(self) -> bool:
        """Whether a pause is over and no success has followed it yet: one request at a time."""
        return self.pauses > 0

    def succeed(self) -> None:
        """Record a success."""
        self.failures = self.pauses = self._refusals = 0
        self.until = None
        self._results.append(True)

    def refuse(self, *, at: datetime) -> bool:
        """Record an answer that is no success, of a receiver that works. Returns whether the
        breaker opens."""
        self.failures += 1
        self._refusals += 1
        if self._is_open(at) or (self._refusals < REFUSALS_IN_A_ROW and not self.is_probing):
            return False
        self._open(at, timedelta())
        return True

    def fail(self, *, at: datetime, at_least: timedelta = timedelta()) -> bool:
        """Record a failure of the receiver's network or server. Returns whether the breaker opens:
        always, if the receiver demands a pause."""
        self.failures += 1
        self._refusals += 1
        self._results.append(False)
        if self._is_open(at):  # sent before it opened
            self.until = max(self.until or at, at + at_least)
            return False
        is_half = self._results.count(False) >= FAILED_IN_WINDOW
        if not (self.is_probing or self.failures >= FAILURES_IN_A_ROW or is_half or at_least):
            return False
        self._open(at, at_least)
        return True

    def _is_open(self, at: datetime) -> bool:
        return self.until is not None and at < self.until

    def _open(self, at: datetime, at_least: timedelta) -> None:
        pause = min(FIRST_PAUSE * 2 ** min(self.pauses, 10), LONGEST_PAUSE)
        self.until = at + max(pause, at_least)
        self.pauses += 1
        self._results.clear()


class Pace:
    """What a lane may do now: full speed, or a slow start after a pause."""

    def __init__(self, *, rate: int, now: float) -> None:
        self._rate = rate
        self._bucket = RateBucket(rate, now=now)
        self._restarted_at: float | None = None

    def restart(self, now: float) -> None:
        """Begin slowly: a pause has ended with a success."""
        self._restarted_at = now

    def max_in_flight(self, now: float) -> int:
        return min(MAX_IN_FLIGHT, 1 << self._steps(now))

    def take(self, now: float) -> bool:
        """Whether one more request may be sent now."""
        share: float = 2.0 ** (self._steps(now) - 3)
        self._bucket.rate = max(1.0, self._rate * min(1.0, share))
        return self._bucket.take(now)

    def _steps(self, now: float) -> int:
        """Doublings since the restart; 3 is full speed."""
        if self._restarted_at is None:
            return 3
        steps = int((now - self._restarted_at) / STEP_SECONDS)
        if steps >= 3:
            self._restarted_at = None
        return min(steps, 3)
