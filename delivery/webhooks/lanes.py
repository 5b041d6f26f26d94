"""Lanes: what the process that has the lease of an endpoint keeps in memory of it."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from delivery.models import DeliveryKind, EventOrder
from delivery.webhooks.pace import LaneBreaker, Pace

SLOW_SECONDS = 2.0
"""Average duration of a request above which a lane is slow."""
LOW = 20
"""Deliveries in memory below which the next events of the log are taken."""


class DueDelivery(NamedTuple):
    """A delivery that may be sent now."""

    id: str
    kind: str
    event_id: str
    event_type: str
    position: int
    customer_id: str
    attempts: int
    first_attempt_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneEndpoint:
    """The settings of an endpoint, as they were when its lease was taken. A change of settings
    ends the lease."""

    id: str
    project_id: str
    url: str
    headers: Mapping[str, str]
    keys: tuple[bytes, ...]
    types: frozenset[str]
    """Empty: all types."""
    ordering: str
    rate: int
    is_enabled: bool
    keys_until: datetime | None
    """When the first of the keys expires."""

    @property
    def is_ordered(self) -> bool:
        return self.ordering == EventOrder.CUSTOMER

    def wants(self, event_type: str) -> bool:
        """Whether the endpoint's filter passes events of this type."""
        return not self.types or event_type in self.types


@dataclass(slots=True, kw_only=True)
class DeliveryLane:
    """``position`` is that of the last event that was taken from the log, ``load_at`` the time of
    the next look for waiting deliveries in the database."""

    endpoint: LaneEndpoint
    epoch: int
    position: int
    pace: Pace
    breaker: LaneBreaker
    failing_since: datetime | None
    warnings: int
    load_at: datetime
    live: "deque[DueDelivery]" = field(default_factory=deque)
    replays: "deque[DueDelivery]" = field(default_factory=deque)
    unfinished: dict[str, DueDelivery] = field(default_factory=dict)
    """Deliveries that are sent, or whose results are not stored yet, by their ids."""
    in_flight: int = 0
    average_seconds: float = 0.0
    has_succeeded: bool = False
    """Whether a success is not stored yet."""
    last_problem: str = ""
    certificate_expires_at: int | None = None
    used_at: float = 0.0
    has_replay: bool = False
    """Whether a replay is under way that has more deliveries to create."""
    is_replay_turn: bool = False
    is_lost: bool = False
    """Whether the lease has ended, or is about to be given back: nothing more is sent."""

    @property
    def id(self) -> str:
        return self.endpoint.id

    @property
    def is_slow(self) -> bool:
        return self.average_seconds > SLOW_SECONDS

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be sent or to be stored."""
        return not (self.live or self.replays or self.unfinished or self.has_replay)

    @property
    def is_low(self) -> bool:
        return len(self.live) < LOW

    def is_paused(self, at: datetime) -> bool:
        """Whether the breaker is open."""
        return self.breaker.until is not None and self.breaker.until > at

    def is_outdated(self, at: datetime) -> bool:
        """Whether a key has expired since the lease was taken."""
        return self.endpoint.keys_until is not None and self.endpoint.keys_until <= at

    def may_send(self, at: datetime) -> bool:
        """Whether the receiver is not left alone, and all keys are valid."""
        return not (self.is_paused(at) or self.is_outdated(at))

    def add(self, deliveries: Iterable[DueDelivery]) -> None:
        """Take deliveries that are due, unless they are here already."""
        present = {*self.unfinished, *(each.id for each in (*self.live, *self.replays))}
        for delivery in deliveries:
            if delivery.id not in present:
                queue = self.replays if delivery.kind == DeliveryKind.REPLAY else self.live
                queue.append(delivery)

    def drop_waiting(self) -> None:
        """Forget what is not sent yet; the database still has it."""
        self.live.clear()
        self.replays.clear()

    def take(self, now: float) -> DueDelivery | None:
        """The delivery to send next, if the lane may send one: what happened comes before what is
        sent again, which gets every second place at most."""
        limit = 1 if self.breaker.is_probing else self.pace.max_in_flight(now)
        if self.in_flight >= limit or not (self.live or self.replays):
            return None
        if not self.pace.take(now):
            return None
        delivery = self.live.popleft() if self.live else self._take_replay()
        if delivery is None:
            return None
        self.unfinished[delivery.id] = delivery
        self.in_flight += 1
        self.used_at = now
        return delivery

    def put_back(self, delivery: DueDelivery) -> None:
        """The delivery was not sent; the database still has it."""
        self.unfinished.pop(delivery.id, None)
        self.in_flight -= 1

    def _take_replay(self) -> DueDelivery | None:
        """The next replay, at every second turn; one after the other if customers' order counts."""
        self.is_replay_turn = not self.is_replay_turn
        is_blocked = self.endpoint.is_ordered and any(
            each.kind == DeliveryKind.REPLAY for each in self.unfinished.values()
        )
        return None if is_blocked or not self.is_replay_turn else self.replays.popleft()

    def record_duration(self, duration: timedelta) -> None:
        """Count how long a request took; recent ones weigh more."""
        self.average_seconds += (duration.total_seconds() - self.average_seconds) / 5
