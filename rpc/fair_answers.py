"""Answer calls that need no thread in turns, one project after the other.

Each such call takes a third of a millisecond of the loop, most of it in grpcio, which accepts calls
one after the other. A project that keeps hundreds of calls open would have each call of another
project wait for all of them. So while several projects call, every millisecond each of them has one
call answered at once; its further ones wait, and are answered in turns by project (round robin, as
in Nagle's fair queueing, RFC 970) as long as the loop stays free for half of the time. A project
alone takes no turns.
"""

import asyncio
import time
from collections import deque

PRESENCE_SECONDS = 1.0
"""How long a project counts as calling after its last call."""
TICK_SECONDS = 0.001
LONGEST_TICK = 0.005
"""Seconds for which calls are answered after a tick that came late."""
SHARE = 0.5
"""Of the loop's time, for calls that wait for their turn."""
MAX_WAITING = 400
"""Calls that wait for their turn; further ones are answered at once. Each takes one of the calls
that a process executes (``RpcSettings.max_calls``), which all projects share."""
NEWEST = 0.1
"""Weight of the newest tick in what a call usually costs."""


class FairAnswers:
    """The lanes of one process, one for each project. All methods run in the event loop."""

    def __init__(self) -> None:
        self._latest = ""
        self._shared_until = 0.0
        self._served: set[str] = set()
        """Lanes of which a call was answered at once since the last tick."""
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """The lane whose turn it is comes first."""
        self._count = 0
        """Of the calls that wait."""
        self._ticked_at = 0.0
        self._is_ticking = False
        self._cost = _CallCost()

    def note(self, lane: str) -> None:
        """A call of the lane is here."""
        if lane != self._latest:
            if self._latest:
                self._shared_until = asyncio.get_running_loop().time() + PRESENCE_SECONDS
            self._latest = lane

    async def wait(self, lane: str) -> None:
        """Return when a call of the lane, which has been noted, may be answered."""
        loop = asyncio.get_running_loop()
        if not self._waiting and loop.time() >= self._shared_until:
            return
        if not self._is_ticking:
            self._is_ticking, self._ticked_at = True, loop.time()
            self._cost.begin()
            loop.call_later(TICK_SECONDS, self._tick, loop)
        if (lane in self._served or lane in self._waiting) and self._count < MAX_WAITING:
            turn = loop.create_future()
            self._waiting.setdefault(lane, deque()).append(turn)
            self._count += 1
            await turn
        self._served.add(lane)
        self._cost.count += 1

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._is_ticking = bool(self._waiting or self._served)
        if not self._is_ticking:
            return
        self._cost.measure()
        is_shared = now < self._shared_until
        seconds = SHARE * min(now - self._ticked_at, LONGEST_TICK)
        self._answer(self._cost.fitting(seconds) if is_shared else None)
        self._ticked_at = now
        self._served.clear()
        loop.call_later(TICK_SECONDS, self._tick, loop)

    def _answer(self, count: int | None) -> None:
        """Let so many calls be answered, one of each lane in turn; None: all."""
        while self._waiting and (count is None or count > 0):
            lane = next(iter(self._waiting))
            queue = self._waiting.pop(lane)
            turn = queue.popleft()
            self._count -= 1
            if queue:
                self._waiting[lane] = queue
            if not turn.done():  # its caller has not hung up
                turn.set_result(None)
                count = None if count is None else count - 1


class _CallCost:
    """What an answer usually costs in CPU seconds of this thread."""

    def __init__(self) -> None:
        self.count = 0
        """Answers since the last measurement."""
        self._usual = TICK_SECONDS
        self._cpu = 0.0

    def begin(self) -> None:
        self.count, self._cpu = 0, time.thread_time()

    def measure(self) -> None:
        cpu = time.thread_time()
        if self.count:
            newest = (cpu - self._cpu) / self.count
            self._usual += NEWEST * (newest - self._usual)
            self.count, self._cpu = 0, cpu

    def fitting(self, seconds: float) -> int:
        """How many answers fit; at least one."""
        return max(1, int(seconds / self._usual))
