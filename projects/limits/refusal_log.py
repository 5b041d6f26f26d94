"""Log refused callers without a line for each request: a flood must not fill the disk.

The first refusal of a caller is logged at once, the others with their number, once a minute. The
metric of requests counts all of them.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from projects.limits.token_bucket import Quota

log = structlog.get_logger("tollgate.request")

LOG_SECONDS = 60.0
"""Between two lines about a caller."""
MAX_CALLERS = 100
"""Callers of one kind (key, user, address) with lines of their own; others share the line of
``OTHERS``. So a flood from many addresses costs few lines, and hides no refused key."""
OTHERS = "others"
REPORT_SECONDS = 1.0


@dataclass(slots=True)
class _Refusals:
    """Refusals of a caller that no line tells of yet, and when the last line was written."""

    logged_at: float
    unlogged: int = 0


class RefusalLog:
    """Counts the refusals of this process. For the event loop alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._callers: defaultdict[str, dict[str, _Refusals]] = defaultdict(dict)

    def count(self, quota: Quota) -> None:
        """A request of the quota's caller was refused; log the caller's first one."""
        limit = quota.buckets[0].limit
        callers, subject = self._callers[limit.name], limit.subject
        if subject not in callers and len(callers) >= MAX_CALLERS:
            subject = OTHERS
        refusals = callers.get(subject)
        if refusals is not None:
            refusals.unlogged += 1
            return
        callers[subject] = _Refusals(self._clock())
        _write(limit.name, subject, 1)

    def report(self, *, is_last: bool = False) -> None:
        """Log the callers whose minute is over, and forget those who were refused no more;
        ``is_last``: log all."""
        now = self._clock()
        for name, callers in self._callers.items():
            for subject, refusals in list(callers.items()):
                if now - refusals.logged_at < LOG_SECONDS and not is_last:
                    continue
                if refusals.unlogged:
                    _write(name, subject, refusals.unlogged)
                    callers[subject] = _Refusals(now)
                else:
                    del callers[subject]


def _write(name: str, subject: str, refused: int) -> None:
    log.info("requests_over_limit", limit=name, caller=subject, refused=refused)


async def keep_reporting(refusals: RefusalLog) -> None:
    """Report every second until this coroutine is cancelled."""
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        refusals.report()
