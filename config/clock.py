"""Celery beat's scheduler: the list in code, the operators' pauses, and no piled-up messages."""

import time
from typing import Any

import structlog
from celery.beat import ScheduleEntry
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from common import chore_pauses, queue
from common.chore_pauses import REFRESH_SECONDS
from common.liveness import touch_liveness_file
from config.schedule import POLLED

log = structlog.get_logger(__name__)


class ChoreEntry(ModelEntry):  # type: ignore[misc]  # the package carries no types
    """A chore of the stored list."""

    def save(self) -> None:
        """Store when it was last sent. One statement: a pause at the same time is not undone."""
        PeriodicTask.objects.filter(pk=self.model.pk).update(
            last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count
        )


class BeatScheduler(DatabaseScheduler):  # type: ignore[misc]  # the package carries no types
    """Sends the chores of the list in code, except those that operators have paused.

    Beat starts and works without the database: it then sends every chore of the list in code, or
    those that it knew last. Every five seconds it looks whether something was paused or resumed.

    While the queue is long, it sends no messages for chores that pollers run as well. Otherwise a
    worker that comes back after an hour would have to drop an hour's messages before it reaches
    chores that only beat starts.
    """

    Entry = ChoreEntry

    def setup_schedule(self) -> None:
        self._schedule: dict[str, ScheduleEntry] = {
            title: ChoreEntry(chore_pauses.unsaved_row(title, entry), app=self.app)
            for title, entry in settings.CELERY_BEAT_SCHEDULE.items()
        }
        self._is_stored = False
        self.look_now()

    def look_now(self) -> None:
        """Read the stored list when the schedule is needed next, not after five seconds."""
        self._next_look = 0.0

    @property
    def schedule(self) -> dict[str, ScheduleEntry]:
        """The entries by title. The stored list is read every five seconds, if there is one."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + REFRESH_SECONDS
            try:
                self._look()
            except (DatabaseError, InterfaceError) as error:
                log.warning("stored_schedule_unknown", error=type(error).__name__)
                connections.close_all()
        return self._schedule

    def tick(self, *args: Any, **kwargs: Any) -> float:
        touch_liveness_file()
        seconds: float = super().tick(*args, **kwargs)
        return seconds

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        if entry.task in POLLED and queue.is_backed_up():
            log.info("chore_left_to_pollers", task=entry.task)
            return
        super().apply_entry(entry, producer=producer)

    def sync(self) -> None:
        """Store when each chore was last sent, once the list is stored."""
        if self._is_stored:
            super().sync()

    def _look(self) -> None:
        """Store the list in code if that was not done yet, and follow pauses."""
        if not self._is_stored:
            chore_pauses.store_schedule(settings.CELERY_BEAT_SCHEDULE)
        rows = {
            row.name: row
            for row in PeriodicTask.objects.select_related("interval").filter(
                name__in=settings.CELERY_BEAT_SCHEDULE
            )
        }
        for title, row in rows.items():
            is_running = row.enabled or row.task in settings.UNPAUSABLE_TASKS
            if not is_running:
                self._schedule.pop(title, None)
            elif title not in self._schedule or not self._is_stored:
                row.enabled = True
                self._schedule[title] = ChoreEntry(row, app=self.app)
        self._is_stored = True
