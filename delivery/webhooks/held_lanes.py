"""The lanes that a dispatcher holds: claimed, kept, and given back."""

from collections import deque
from collections.abc import Container, Iterator
from datetime import datetime

from delivery.webhooks import lane_leases
from delivery.webhooks.lanes import DeliveryLane

MAX_LANES = 2000
CLAIMED_AT_ONCE = 64
CLAIM_SECONDS, CHECK_SECONDS, RENEW_SECONDS = 0.2, 0.5, 5.0
"""Between two looks for lanes with work, for lost leases, and between two renewals."""
IDLE_SECONDS = 2.0
"""After which a lane without work is given back."""


class HeldLanes:
    """Iterating gives all lanes. ``now`` is always of the dispatcher's monotonic clock."""

    def __init__(self) -> None:
        self._lanes: dict[str, DeliveryLane] = {}
        self._rotation: deque[str] = deque()
        self.claim_at = self.check_at = self._renew_at = 0.0
        self.heads_at = 0.0
        """When to look for new events."""

    def __iter__(self) -> Iterator[DeliveryLane]:
        return iter(list(self._lanes.values()))

    def get(self, endpoint_id: str) -> DeliveryLane | None:
        """The lane of an endpoint, if it is held."""
        return self._lanes.get(endpoint_id)

    def one_round(self) -> Iterator[DeliveryLane]:
        """Each lane once. The next round begins where this one is left."""
        for _ in range(len(self._rotation)):
            lane = self._lanes[self._rotation[0]]
            self._rotation.rotate(-1)
            yield lane

    def claim(self, *, at: datetime, now: float) -> list[DeliveryLane]:
        """Claim lanes with work, if it is time. Returns them."""
        if now < self.claim_at:
            return []
        self.claim_at = now + CLAIM_SECONDS
        limit = min(CLAIMED_AT_ONCE, MAX_LANES - len(self._lanes))
        claimed = lane_leases.claim(limit=limit, at=at, now=now)
        for lane in claimed:
            if lane.id in self._lanes:  # its last lease has ended unnoticed
                self._drop(self._lanes[lane.id])
            self._lanes[lane.id] = lane
            self._rotation.append(lane.id)
        return claimed

    def check(self, now: float) -> None:
        """Let go of lanes whose leases have ended, if it is time to look: settings were changed, or
        another dispatcher has claimed them."""
        if now < self.check_at:
            return
        is_renewal = now >= self._renew_at
        kept = (lane_leases.renew if is_renewal else lane_leases.held)(self)
        for lane in self:
            if lane.id not in kept:
                self._drop(lane)
        self.check_at = now + CHECK_SECONDS
        if is_renewal:
            self._renew_at = now + RENEW_SECONDS

    def release_idle(self, *, except_for: Container[str], at: datetime, now: float) -> None:
        """Give back lanes that have had nothing to do for a while, those whose breaker is open, and
        those that need other keys. ``except_for``: ids of lanes with results to store."""
        released = [
            lane
            for lane in self
            if lane.is_outdated(at)
            or (
                not lane.unfinished
                and lane.id not in except_for
                and (lane.is_paused(at) or (lane.is_idle and now - lane.used_at >= IDLE_SECONDS))
            )
        ]
        self._release(released)

    def release_all(self) -> None:
        self._release(list(self))

    def _release(self, lanes: list[DeliveryLane]) -> None:
        lane_leases.release(lanes)
        for lane in lanes:
            self._drop(lane)

    def _drop(self, lane: DeliveryLane) -> None:
        lane.is_lost = True
        lane.drop_waiting()
        del self._lanes[lane.id]
        self._rotation.remove(lane.id)
