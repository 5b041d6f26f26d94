"""How a task of ours runs in a worker: it can be woken again from its start, and leaves a record
of its end, from which ``/health`` and the console tell how late each chore is."""

from typing import Any

import structlog
from celery import Task
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from common import heartbeats, queue
from config.schedule import POLLED

log = structlog.get_logger(__name__)


class Chore(Task):  # type: ignore[type-arg]  # generic in the stubs alone
    """The class of every task. Its hooks run in a worker only, not where a task is called."""

    abstract = True

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Make room for the next wake-up before the database is read: what is committed from now
        on may be missed by this run."""
        queue.allow_wake_up(self.name)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Record the run, unless pollers do this chore too: they record theirs each second."""
        if self.name in POLLED:
            return
        try:
            heartbeats.beat(name=self.name, at=timezone.now())
        except (DatabaseError, InterfaceError) as error:
            log.warning("chore_not_recorded", task=self.name, error=type(error).__name__)
