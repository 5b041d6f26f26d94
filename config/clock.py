"""Celery beat's scheduler, which does not pile up messages while no worker takes them."""

from typing import Any

import structlog
from celery.beat import PersistentScheduler, ScheduleEntry

from common import queue
from common.liveness import touch_liveness_file
from config.schedule import POLLED

log = structlog.get_logger(__name__)


class BeatScheduler(PersistentScheduler):
    """While the queue is long, send no messages for chores that pollers run as well.

    Otherwise a worker that comes back after an hour would have to drop an hour's messages before it
    reaches chores that only beat starts.
    """

    def tick(self, *args: Any, **kwargs: Any) -> float:
        touch_liveness_file()
        return super().tick(*args, **kwargs)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        if entry.task in POLLED and queue.is_backed_up():
            log.info("chore_left_to_pollers", task=entry.task)
            return
        super().apply_entry(entry, producer=producer)
