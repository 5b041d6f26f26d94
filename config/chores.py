"""The class of our tasks: allows the next wake-up at the start, and records the end of a run.

``/health`` and the console derive the delay of each chore from these records.
"""

from typing import Any

import structlog
from celery import Task
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from common import heartbeats, queue
from common.chore_metrics import measured
from common.context import CauseType, caused_by
from common.frames import call_with_room
from config.poller import is_paused
from config.schedule import POLLED

log = structlog.get_logger(__name__)


class Chore(Task):  # type: ignore[type-arg]  # generic in the stubs alone
    """The class of every task. Its hooks run in workers only."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task with room for its frames (:mod:`common.frames`)."""
        if is_paused(self.name):  # the message of a wake-up or of beat
            return None
        with caused_by(CauseType.CLOCK, self.name), measured(self.name):
            return call_with_room(super().__call__, *args, **kwargs)

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Allow the next wake-up before the database is read: this run may miss later commits."""
        queue.allow_wake_up(self.name)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Record the run, except for polled chores: pollers record theirs each second."""
        if self.name in POLLED or is_paused(self.name):
            return
        try:
            heartbeats.beat(name=self.name, at=timezone.now())
        except (DatabaseError, InterfaceError) as error:
            log.warning("chore_not_recorded", task=self.name, error=type(error).__name__)
