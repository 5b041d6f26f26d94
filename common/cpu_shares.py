"""How much of a process's CPU time one lane of requests may use beside quiet ones.

A burst that its limits allow would otherwise slow everybody else until it is over, because threads
compute in turns and queries share the machine. So each lane has a bucket of CPU seconds, as a group
of processes has in Linux (Turner, Rao and Rao, *CPU bandwidth control for CFS*, 2010). A lane whose
bucket is full waits, but only while a lane that has used less is there: alone, or among others like
itself, it may use all.
"""

from typing import NamedTuple

SHARE = 0.25
"""CPU seconds per second that a lane may use beside quiet ones."""
BURST = 0.1
"""CPU seconds that it may use at once."""
DEBT = 0.5
"""CPU seconds beyond that, for which it waits later: what it used before, while it was alone or the
machine was idle, is forgiven, so that nobody waits for long when a quiet lane comes."""
PRESENCE = 1.0
"""Seconds for which a lane counts as being there after a request."""
NEWEST = 0.2
"""Weight of the newest request in what the requests of a lane usually need."""


class LaneUse(NamedTuple):
    """What a lane has used: the ``level`` of its bucket in CPU seconds at the time ``at``, and the
    CPU seconds that a request of it usually needs."""

    level: float
    at: float
    usual: float


class CpuShares:
    """CPU time of the lanes of one process. Times are seconds of the event loop's clock."""

    def __init__(self) -> None:
        self._used: dict[str, LaneUse] = {}
        """There are no more lanes than projects, and a few for addresses."""
        self._quiet: dict[str, float] = {}
        """Lanes that were within their share, by their last request, the latest last."""
        self._loud_until = 0.0

    def is_any_loud(self, *, at: float) -> bool:
        """Whether a lane has used more than its share, so that quiet ones matter."""
        return at < self._loud_until

    def is_any_beside_a_loud_one(self, *, at: float) -> bool:
        """Whether a lane has used more than its share, and one that has not is there."""
        return self.is_any_loud(at=at) and self._has_quiet(at)

    def note(self, lane: str, *, at: float) -> None:
        """A request of the lane has come."""
        self._quiet.pop(lane, None)
        if self._level(lane, at) <= BURST:
            self._quiet[lane] = at

    def charge(self, lane: str, seconds: float, *, at: float) -> None:
        """The lane has used so many CPU seconds."""
        level = min(self._level(lane, at), BURST + DEBT) + seconds
        before = self._used.get(lane)
        usual = seconds if before is None else before.usual + NEWEST * (seconds - before.usual)
        self._used[lane] = LaneUse(level, at, usual)
        if level > BURST:
            self._quiet.pop(lane, None)
            self._loud_until = max(self._loud_until, at + (level - BURST) / SHARE)

    def wait(self, lane: str, *, at: float, running: int = 0) -> float:
        """Seconds after which another request of the lane may start; 0: now. ``running`` of its
        requests are under way, and are taken to need what its requests usually do: a lane that has
        waited for its share would otherwise start all that it may run at the same moment."""
        level = self._level(lane, at)
        usual = self._used[lane].usual if level else 0.0
        excess = level + running * usual - BURST
        if excess <= 0 or self._is_alone(lane, at):
            return 0.0
        latest = next(reversed(self._quiet.values()))
        return min(excess / SHARE, latest + PRESENCE - at)

    def _level(self, lane: str, at: float) -> float:
        use = self._used.get(lane)
        if use is None:
            return 0.0
        level = use.level - (at - use.at) * SHARE
        if level > 0:
            return level
        del self._used[lane]
        return 0.0

    def _is_alone(self, lane: str, at: float) -> bool:
        """Whether no quiet lane but perhaps this one is there."""
        return not self._has_quiet(at) or self._quiet.keys() <= {lane}

    def _has_quiet(self, at: float) -> bool:
        """Whether a quiet lane is there; forgets those that have left."""
        while self._quiet:
            first, seen = next(iter(self._quiet.items()))
            if at - seen < PRESENCE:
                return True
            del self._quiet[first]
        return False
