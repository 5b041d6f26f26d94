"""Chores that operators have paused, and the stored list of chores that they see.

The list in code (``settings.CELERY_BEAT_SCHEDULE``) is the truth about what runs and how often. Its
copy in the tables of django-celery-beat adds one thing: ``enabled``, the operators' switch. It is
stored in the database, so beat, pollers and workers follow it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import QuerySet
from django_celery_beat.models import IntervalSchedule, PeriodicTask

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 5.0
"""Longest time after which a process follows a pause."""


class PausedTasks:
    """Names of the paused tasks, read at most every five seconds; safe to use in threads.

    While the database is away the last known names count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._names: frozenset[str] = frozenset()
        self._read_at: float | None = None

    def __contains__(self, task: str) -> bool:
        if task in settings.UNPAUSABLE_TASKS:
            return False
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= REFRESH_SECONDS:
                self._read_at = self._clock()
                self._refresh()
            return task in self._names

    def forget(self) -> None:
        """Read the names again at the next question."""
        with self._lock:
            self._read_at = None

    def _refresh(self) -> None:
        try:
            self._names = find_paused()
        except (DatabaseError, InterfaceError) as error:
            log.warning("paused_chores_unknown", error=type(error).__name__)


paused_tasks = PausedTasks()


def find_paused() -> frozenset[str]:
    """Names of the paused tasks. One query."""
    return frozenset(paused_rows().values_list("task", flat=True))


def paused_rows() -> QuerySet[PeriodicTask]:
    """The stored tasks that are paused."""
    rows: QuerySet[PeriodicTask] = PeriodicTask.objects.filter(enabled=False)
    return rows.exclude(task__in=settings.UNPAUSABLE_TASKS)


def store_schedule(schedule: Mapping[str, Mapping[str, Any]]) -> None:
    """Bring the stored list up to date with the list in code; pauses stay.

    Rows that an older version of Tollgate has and the code does not are deleted.
    """
    with transaction.atomic():
        stored = {row.name: row for row in PeriodicTask.objects.select_related("interval")}
        for title, entry in schedule.items():
            row = stored.pop(title, None)
            if row is None or not _is_current(row, entry):
                _store(title, entry)
        PeriodicTask.objects.filter(pk__in=[row.pk for row in stored.values()]).delete()


def unsaved_row(title: str, entry: Mapping[str, Any]) -> PeriodicTask:
    """The row of an entry that is not stored: beat works with it while the database is away."""
    interval = IntervalSchedule(every=int(entry["schedule"]), period=IntervalSchedule.SECONDS)
    return PeriodicTask(name=title, interval=interval, **_columns(entry))


def _is_current(row: PeriodicTask, entry: Mapping[str, Any]) -> bool:
    is_same_period = row.interval is not None and (row.interval.every, row.interval.period) == (
        int(entry["schedule"]),
        IntervalSchedule.SECONDS,
    )
    columns = _columns(entry)
    return is_same_period and all(getattr(row, name) == columns[name] for name in columns)


def _store(title: str, entry: Mapping[str, Any]) -> None:
    interval = IntervalSchedule.objects.filter(
        every=int(entry["schedule"]), period=IntervalSchedule.SECONDS
    ).first()
    if interval is None:
        interval = IntervalSchedule.objects.create(
            every=int(entry["schedule"]), period=IntervalSchedule.SECONDS
        )
    PeriodicTask.objects.update_or_create(
        name=title, defaults={"interval": interval, **_columns(entry)}
    )


def _columns(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"task": entry["task"], "expire_seconds": int(entry["options"]["expires"])}
