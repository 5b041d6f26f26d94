"""The world's clock, in whole seconds since the epoch, as in Stripe's objects.

A frozen clock stands still until it is moved. A running clock follows real time plus an offset.
Neither ever goes backwards.
"""

from __future__ import annotations

import time
from typing import Any


class WorldClock:
    def __init__(self, *, frozen_at: int | None = None) -> None:
        self._frozen = frozen_at is not None
        self._offset = 0
        self._latest = frozen_at if frozen_at is not None else int(time.time())

    @property
    def frozen(self) -> bool:
        return self._frozen

    def now(self) -> int:
        """The current second; never earlier than a previous result."""
        if not self._frozen:
            self._latest = max(self._latest, int(time.time()) + self._offset)
        return self._latest

    def move_to(self, new_time: int) -> None:
        """Set the time. Raises ``ValueError`` for a time in the past."""
        if new_time < self.now():
            raise ValueError(f"The clock stands at {self.now()} and cannot go back to {new_time}.")
        self._latest = new_time
        self._offset = new_time - int(time.time())

    def freeze(self) -> None:
        self.now()
        self._frozen = True

    def run(self) -> None:
        """Follow real time again, starting from the time that the clock shows now."""
        self._offset = self._latest - int(time.time()) if self._frozen else self._offset
        self._frozen = False

    def dump(self) -> dict[str, Any]:
        return {"frozen": self._frozen, "offset": self._offset, "latest": self.now()}

    def load(self, state: dict[str, Any]) -> None:
        self._frozen, self._offset = bool(state["frozen"]), int(state["offset"])
        self._latest = int(state["latest"])
