"""Hold refusals back: a caller who goes on sending must not take the event loop from others.

A client that sends its next request as soon as it is refused is answered as often as it is let go.
So the more requests of a caller are held, the longer each is: however many connections it sends
over, a process answers about as many of its refusals a second.

Callers who were refused at the same moment are answered at different moments. Otherwise their next
requests, too, would all come at once, and use up together what the limit has gained meanwhile.
"""

import asyncio
from collections import Counter

from projects.limits.token_bucket import Quota

HOLD_SECONDS, MAX_HOLD_SECONDS = 0.5, 5.0
"""For which a refusal is held back on average, at least and at most; the shortest and the longest
are a half of it less and more."""
REFUSALS_PER_SECOND = 200
"""Of one caller that a process answers, as long as the longest hold allows."""
_STEP = 0.618
"""Of a hold's length to the next, so that a few in a row are spread evenly (golden ratio)."""


class HeldRefusals:
    """The refusals that are being held back; beyond ``limit`` none is. With ``flood`` of them
    somebody floods the process."""

    def __init__(self, limit: int, *, flood: int) -> None:
        self._limit = limit
        self._flood = flood
        self._counts: Counter[str] = Counter()
        self._phase = 0.0
        self._released = asyncio.Event()

    @property
    def is_flooded(self) -> bool:
        """Whether so many are held back that somebody floods the process."""
        return self._counts.total() >= self._flood

    def release(self) -> None:
        """Answer all of them now, and hold no more: the process ends."""
        self._released.set()

    async def hold(self, quota: Quota) -> float:
        """Wait because the quota has allowed no more; return the seconds that were waited."""
        if self._counts.total() >= self._limit:
            return 0.0
        caller = _caller_of(quota)
        self._counts[caller] += 1
        seconds, started = self._next_length(caller), asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds):
                await self._released.wait()
        except TimeoutError:
            return seconds
        finally:
            self._leave(caller)
        return asyncio.get_running_loop().time() - started

    def _next_length(self, caller: str) -> float:
        """Seconds for which the next refusal of this caller is held back."""
        even = self._counts[caller] / REFUSALS_PER_SECOND
        self._phase = (self._phase + _STEP) % 1.0
        return min(max(even, HOLD_SECONDS), MAX_HOLD_SECONDS) * (0.5 + self._phase)

    def _leave(self, caller: str) -> None:
        self._counts[caller] -= 1
        if not self._counts[caller]:
            del self._counts[caller]


def _caller_of(quota: Quota) -> str:
    """The project or platform key whose quota it is. All addresses are one caller: whoever floods
    may have any number of them."""
    widest = quota.buckets[-1].limit
    return "addresses" if widest.name == "address" else widest.subject
