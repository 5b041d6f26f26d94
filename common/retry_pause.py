"""Pause before the next try of a row: exponential back-off with jitter."""

import random
from dataclasses import dataclass
from datetime import timedelta

MAX_GROWTHS = 30
"""Failures after which the pause grows no more; keeps the product finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPause:
    """The pause is ``first`` before the second try and grows by ``factor`` per failure up to
    ``longest``.

    It is multiplied by a random number within ``jitter``, so that retries do not coincide.
    """

    first: timedelta
    factor: int = 2
    longest: timedelta = timedelta(days=1)
    jitter: tuple[float, float] = (1.0, 1.0)

    def after(self, *, failures: int, at_least: timedelta = timedelta()) -> timedelta:
        """The pause after this many failures in a row; the jitter applies to ``at_least`` too."""
        seconds = self.first.total_seconds() * self.factor ** min(failures - 1, MAX_GROWTHS)
        seconds = max(min(seconds, self.longest.total_seconds()), at_least.total_seconds())
        return timedelta(seconds=seconds * random.uniform(*self.jitter))  # noqa: S311  # no secret
