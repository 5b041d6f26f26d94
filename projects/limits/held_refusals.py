"""Hold refusals back: a caller who goes on sending must not take the event loop from others.

Callers who were refused at the same moment are answered at different moments. Otherwise their next
requests, too, would all come at once, and use up together what the limit has gained meanwhile.
"""

import asyncio

HOLD_SECONDS = 0.5
"""For which a refusal is held back on average; the shortest and the longest are a half of it less
and more."""
_STEP = 0.618
"""Of a hold's length to the next, so that a few in a row are spread evenly (golden ratio)."""


class HeldRefusals:
    """The refusals that are being held back; beyond ``limit`` none is."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._phase = 0.0

    @property
    def is_full(self) -> bool:
        """Whether so many are held back that somebody floods the process."""
        return self._count >= self._limit

    async def hold(self) -> float:
        """Wait; return the seconds that were waited."""
        if self.is_full:
            return 0.0
        self._phase = (self._phase + _STEP) % 1.0
        seconds = HOLD_SECONDS * (0.5 + self._phase)
        self._count += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._count -= 1
        return seconds
