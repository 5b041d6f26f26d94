"""Eight writers, each of whom changes customers of its own, and commits after a random time."""

import random
import threading
import time
from collections import Counter
from typing import Self

from django.db import connection, transaction

from projects.models import Project
from tests.chaos.figures import Arrival, Key
from tests.chaos.lengths import KILLS
from tests.events.log.recording import record
from tests.waiting import PATIENCE

WRITERS, CUSTOMERS = 8, 25
"""Customers of each writer."""
LONGEST_COMMIT = 0.02
PAUSE = 0.005 if KILLS >= 100 else 0.05
"""Seconds between two changes of a writer: a long run makes more than 100,000 changes."""


class Writers:
    """A context: the writers write within it. ``keys`` and ``ids`` are complete afterwards."""

    def __init__(self, project: Project) -> None:
        self.keys: list[Key] = []
        self.ids: dict[str, Key] = {}
        self._project = project
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def arrival(self, event_id: str) -> Arrival:
        """The arrival of an event with this id; of one that was never recorded, of no change."""
        return Arrival(*self.ids.get(event_id, ("unknown", 0)), event_id)

    def _write(self, number: int) -> None:
        chosen, versions = random.Random(number), Counter[str]()
        try:
            while not self._stop.is_set():
                customer = f"cus_{number}_{chosen.randrange(CUSTOMERS)}"
                versions[customer] += 1
                key = (customer, versions[customer])
                with transaction.atomic():
                    event_id = record(self._project, *key)
                    time.sleep(LONGEST_COMMIT * chosen.random())
                self.ids[event_id] = key
                self.keys.append(key)
                time.sleep(PAUSE)
        finally:
            connection.close()
