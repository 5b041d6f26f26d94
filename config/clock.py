"""Celery beat's scheduler, which does not pile up messages that nobody takes."""

from typing import Any

import structlog
from celery.beat import PersistentScheduler, ScheduleEntry

from common import queue
from config.liveness import touch_liveness_file
from config.schedule import POLLED

log = structlog.get_logger(__name__)


class BeatScheduler(PersistentScheduler):
    """While the queue is long, what pollers do as well is left to them.

    Otherwise a worker that comes back after an hour would first throw away an hour's messages,
    and what only beat starts would wait behind them.
    """

    def tick(self, *args: Any, **kwargs: Any) -> float:
        touch_liveness_file()
        return super().tick(*args, **kwargs)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        if entry.task in POLLED and queue.is_backed_up():
            log.info("clock_left_to_pollers", task=entry.task)
            return
        super().apply_entry(entry, producer=producer)
