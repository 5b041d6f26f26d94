"""Each worker looks for due work by itself every second, so a dead Redis costs a second at most.

A Celery bootstep starts threads beside the pool, before the worker has found its broker and
whether or not it ever does. Each chore of ``config.schedule.POLLED`` has a thread of its own: one
that is slow, because Stripe is or because somebody holds a lock, delays no other. What a chore may
take is bounded by its service: rows per run, seconds per statement, seconds per answer of Stripe.
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from celery import bootsteps
from django.db import connections
from django.utils import timezone

from common.postgres.base import leave_pools_to_parent
from config.liveness import touch_liveness_file
from config.schedule import POLLED

log = structlog.get_logger(__name__)

GOODBYE = 10.0
"""Seconds that a worker which is told to stop gives the objects in hand, all together."""
STILL_FAILING = 60.0
"""Seconds between two lines about a chore that goes on failing."""


class Poller(bootsteps.StartStopStep):
    """The threads' life is the worker's."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, worker: Any) -> None:
        os.register_at_fork(after_in_child=leave_pools_to_parent)
        finished = FinishedRuns()
        self._threads = [
            Poll(name, worker.app.tasks[name].run, every, self._stop, finished.note)
            for name, every in POLLED.items()
        ]
        self._threads += [
            Poll("record", lambda: record(finished), 1.0, self._stop),
            Poll("liveness", touch_liveness_file, 1.0, self._stop),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, worker: Any) -> None:
        self._stop.set()
        give_up = time.monotonic() + GOODBYE
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))

    def terminate(self, worker: Any) -> None:
        self.stop(worker)


class Poll(threading.Thread):
    """Does one chore every so many seconds until told to stop.

    An error ends this run of the chore and nothing else. It is logged when it begins, once a
    minute while it lasts, and when it is over: a database that is away would fill the log.
    """

    def __init__(
        self,
        name: str,
        chore: Callable[[], object],
        every: float,
        stop: threading.Event,
        note: Callable[[str], None] = lambda name: None,
    ) -> None:
        super().__init__(name=f"poll {name}", daemon=True)
        self._chore_name = name
        self._chore = chore
        self._every = every
        self._told_to_stop = stop
        self._note = note
        self._silent_until = 0.0
        self._is_failing = False

    def run(self) -> None:
        while not self._told_to_stop.wait(self._every):
            try:
                self._run_once()
            except Exception as error:  # noqa: BLE001  # a database that is away comes back
                self._failed(error)
            else:
                self._succeeded()

    def _run_once(self) -> None:
        try:
            self._chore()
        finally:
            connections.close_all()

    def _succeeded(self) -> None:
        self._note(self._chore_name)
        if self._is_failing:
            log.info("poll_recovered", chore=self._chore_name)
        self._is_failing, self._silent_until = False, 0.0

    def _failed(self, error: Exception) -> None:
        self._is_failing = True
        now = time.monotonic()
        if now >= self._silent_until:
            log.warning("poll_failed", chore=self._chore_name, error=type(error).__name__)
            self._silent_until = now + STILL_FAILING


class FinishedRuns:
    """When each chore came to its end last, until that is recorded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[str, datetime] = {}

    def note(self, name: str) -> None:
        with self._lock:
            self._at[name] = timezone.now()

    def take(self) -> dict[str, datetime]:
        """Those since the last call."""
        with self._lock:
            taken, self._at = self._at, {}
        return taken


def record(finished: FinishedRuns) -> None:
    """Write down that this worker lives, and which of its chores came to an end."""
    from common import heartbeats  # noqa: PLC0415  # a model: Django is set up only now

    heartbeats.beat_all({**finished.take(), heartbeats.WORKER: timezone.now()})
