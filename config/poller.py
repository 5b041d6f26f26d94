"""Pollers: every worker looks for due work each second, so a dead Redis costs at most a second.

A Celery bootstep starts threads beside the pool, before the worker has found its broker and even if
it never does. Each chore of ``config.schedule.POLLED`` has a thread of its own: a slow one, because
of Stripe or a lock, delays no other. Each service limits its own chore: rows per run, seconds per
statement, seconds per answer of Stripe. ``WORKER_LANES`` limits a worker to some of the chores.
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from celery import bootsteps
from django.conf import settings
from django.db import connections
from django.utils import timezone

from common import garbage
from common.chore_metrics import measured
from common.context import CauseType, caused_by
from common.liveness import touch_liveness_file
from common.postgres.base import leave_pools_to_parent
from common.process_metrics import shipper
from config.schedule import POLLED, lane_of

log = structlog.get_logger(__name__)

STOP_SECONDS = 10.0
"""Seconds that a stopping worker waits for its running chores, all together."""
FAILURE_LOG_SECONDS = 60.0
"""Seconds between two log lines about a chore that keeps failing."""


class Poller(bootsteps.StartStopStep):
    """Starts the threads with the worker and stops them with it."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        shipper.child_role = "worker_child"  # before the pool forks
        garbage.begin_serving()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, worker: Any) -> None:
        os.register_at_fork(after_in_child=leave_pools_to_parent)
        shipper.start("worker")
        finished = FinishedRuns()
        self._threads = [
            Poll(name, worker.app.tasks[name].run, seconds, self._stop, finished.record, is_paused)
            for name, seconds in POLLED.items()
            if lane_of(name) in settings.WORKER_LANES
        ]
        self._threads += [
            Poll("record", lambda: store_heartbeats(finished), 1.0, self._stop),
            Poll("liveness", touch_liveness_file, 1.0, self._stop),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, worker: Any) -> None:
        self._stop.set()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        shipper.stop()

    def terminate(self, worker: Any) -> None:
        self.stop(worker)


class Poll(threading.Thread):
    """Runs one chore repeatedly, with a pause of ``seconds``, until it is told to stop.

    An error ends only this run of the chore. It is logged when it first occurs, once a minute while
    it lasts, and when it is over: a missing database would otherwise fill the log.
    """

    def __init__(
        self,
        name: str,
        chore: Callable[[], object],
        seconds: float,
        stop: threading.Event,
        on_success: Callable[[str], None] = lambda name: None,
        is_paused: Callable[[str], bool] = lambda name: False,
    ) -> None:
        super().__init__(name=f"poll {name}", daemon=True)
        self._chore_name = name
        self._chore = chore
        self._seconds = seconds
        self._stop_requested = stop
        self._on_success = on_success
        self._is_paused = is_paused
        self._silent_until = 0.0
        self._is_failing = False

    def run(self) -> None:
        while not self._stop_requested.wait(self._seconds):
            try:
                has_run = self._run_once()
            except Exception as error:  # noqa: BLE001  # a database that is away comes back
                self._log_failure(error)
            else:
                if has_run:
                    self._record_success()

    def _run_once(self) -> bool:
        """Run the chore; False if operators have paused it."""
        try:
            if self._is_paused(self._chore_name):
                return False
            with caused_by(CauseType.CLOCK, self._chore_name), measured(self._chore_name):
                self._chore()
            return True
        finally:
            connections.close_all()

    def _record_success(self) -> None:
        self._on_success(self._chore_name)
        if self._is_failing:
            log.info("poll_recovered", chore=self._chore_name)
        self._is_failing, self._silent_until = False, 0.0

    def _log_failure(self, error: Exception) -> None:
        self._is_failing = True
        now = time.monotonic()
        if now >= self._silent_until:
            log.warning("poll_failed", chore=self._chore_name, error=type(error).__name__)
            self._silent_until = now + FAILURE_LOG_SECONDS


def is_paused(task: str) -> bool:
    """Whether operators have paused the task."""
    from common.chore_pauses import paused_tasks  # noqa: PLC0415  # a model: Django is set up now

    return task in paused_tasks


class FinishedRuns:
    """Time of the last finished run of each chore, until it is stored."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[str, datetime] = {}

    def record(self, name: str) -> None:
        with self._lock:
            self._at[name] = timezone.now()

    def take(self) -> dict[str, datetime]:
        """Return and remove the times since the last call."""
        with self._lock:
            times, self._at = self._at, {}
        return times


def store_heartbeats(finished: FinishedRuns) -> None:
    """Store the heartbeat of this worker and the finished runs of its chores."""
    from common import heartbeats  # noqa: PLC0415  # a model: Django is set up only now

    heartbeats.beat_all({**finished.take(), heartbeats.WORKER: timezone.now()})
