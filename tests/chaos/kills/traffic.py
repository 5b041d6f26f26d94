"""Changes of four customers, whose events every consumer must get."""

from collections import Counter

from projects.models import Project
from tests.chaos.figures import Arrival, Key
from tests.events.log.recording import record

CUSTOMERS = 4


class Traffic:
    """``keys``: the changes, as customer and version; ``ids``: those of their events."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.keys: dict[Key, str] = {}
        self.ids: dict[str, Key] = {}
        self._versions: Counter[str] = Counter()

    def record(self, count: int) -> None:
        """Record so many changes, each in a transaction of its own."""
        for _ in range(count):
            customer = f"cus_{len(self.keys) % CUSTOMERS}"
            self._versions[customer] += 1
            key = (customer, self._versions[customer])
            event_id = record(self.project, *key)
            self.keys[key], self.ids[event_id] = event_id, key

    def arrival(self, event_id: str) -> Arrival:
        """The arrival of an event with this id; of one that was never recorded, of no change."""
        return Arrival(*self.ids.get(event_id, ("unknown", 0)), event_id)
