"""Places of requests in flight: how many of them one project, and all slow lanes, may have."""

from collections import Counter
from collections.abc import Iterable

from delivery.webhooks.lanes import DeliveryLane

MAX_PER_PROJECT = 32
MAX_SLOW = 128
"""Of all slow lanes together: a quarter of the sender's places."""


class Places:
    """The places that are taken now."""

    def __init__(self, lanes: Iterable[DeliveryLane]) -> None:
        self._of_project: Counter[str] = Counter()
        self._slow = 0
        for lane in lanes:
            if lane.in_flight:
                self._of_project[lane.endpoint.project_id] += lane.in_flight
                self._slow += lane.in_flight * lane.is_slow

    def has_room(self, lane: DeliveryLane) -> bool:
        """Whether the lane may have one more request in flight."""
        if lane.is_slow and self._slow >= MAX_SLOW:
            return False
        return self._of_project[lane.endpoint.project_id] < MAX_PER_PROJECT

    def add(self, lane: DeliveryLane) -> None:
        """The lane has one more request in flight."""
        self._of_project[lane.endpoint.project_id] += 1
        self._slow += lane.is_slow
