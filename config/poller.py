"""Each worker looks for due work by itself every second, so a dead Redis costs a second at most.

A Celery bootstep starts one thread beside the pool, before the worker has found its broker and
whether or not it ever does. The thread does what the tasks of ``TASKS`` do.
"""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from celery import bootsteps
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.utils import timezone

log = structlog.get_logger(__name__)

TASKS = (
    "billing.sync",
    "billing.finish_intents",
    "billing.expire_payments",
    "billing.roll_out",
    "entitlements.hold_limits",
)
INTERVAL = 1.0
"""Seconds between two looks."""
GOODBYE = 10.0
"""Seconds that a worker which is told to stop gives the object in hand."""


class Poller(bootsteps.StartStopStep):
    """The thread's life is the worker's."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, worker: Any) -> None:
        os.register_at_fork(after_in_child=_leave_the_parents_connections)
        from common import heartbeats  # noqa: PLC0415  # a model: Django is set up only now

        def beat() -> None:
            heartbeats.beat(name=heartbeats.WORKER, at=timezone.now())

        chores = [beat, *(worker.app.tasks[each].run for each in TASKS)]
        self._thread = threading.Thread(
            target=poll, args=(chores, self._stop), name="poller", daemon=True
        )
        self._thread.start()

    def stop(self, worker: Any) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(GOODBYE)

    def terminate(self, worker: Any) -> None:
        self.stop(worker)


def poll(
    chores: Sequence[Callable[[], object]], stop: threading.Event, interval: float = INTERVAL
) -> None:
    """Do the chores, again and again, until told to stop; an error ends one chore for this turn,
    neither the others nor the thread."""
    while not stop.wait(interval):
        for chore in chores:
            try:
                chore()
            except Exception as error:  # noqa: BLE001  # a database that is away comes back
                log.warning("poll_failed", error=type(error).__name__)
        connections.close_all()


_inherited: list[Any] = []


def _leave_the_parents_connections() -> None:
    """A pool process forked later must not use, nor close, what the poller has open.

    Django keeps psycopg's pools on the class; the child opens pools of its own.
    """
    pools: dict[str, Any] = vars(DatabaseWrapper)["_connection_pools"]
    _inherited.append(dict(pools))
    pools.clear()
