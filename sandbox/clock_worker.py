"""The thread that runs due actions of a running clock, once a second."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from sandbox import engine

if TYPE_CHECKING:
    from sandbox.world import World

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0


class ClockWorker:
    def __init__(self, world: World) -> None:
        self._world = world
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current action."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            try:
                engine.run_due_actions(self._world)
            except Exception:
                logger.exception("Running due actions failed; the next attempt is in a second.")
