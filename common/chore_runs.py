"""Runs of periodic tasks (chores): the last run of each, and its delay."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Value

from common.chore_pauses import paused_rows
from common.models import Heartbeat

HEARTBEAT = "config.heartbeat"
"""Proves that beat, broker and worker run; it is not a chore."""
PATIENCE = timedelta(seconds=60)
"""A chore is late when it is overdue by more than this and by more than half its period."""


@dataclass(frozen=True, slots=True)
class ChoreRun:
    """The last complete run of a chore in any worker, and the delay of the next."""

    task: str
    title: str
    period: timedelta
    """Time between two runs in normal operation."""
    last_run: datetime | None
    lag: timedelta
    """Time since the chore became due; 0 if it is not due, is paused or has never run."""
    is_paused: bool = False
    """Whether operators have paused it. A paused chore is not late."""

    @property
    def is_late(self) -> bool:
        """Whether the chore is overdue by more than its patience. A polled chore without any run is
        late: it runs within seconds of a worker's start. An hourly or daily one is not."""
        if self.is_paused:
            return False
        if self.last_run is None:
            return self.task in settings.POLLED_TASKS
        return self.lag > max(PATIENCE, self.period / 2)


def read_chore_runs(*, at: datetime) -> list[ChoreRun]:
    """The runs of all chores as they are stored, late ones first. One query."""
    beats, paused = read_beats_and_pauses()
    return chore_runs(beats, at=at, paused=paused)


def read_beats_and_pauses() -> tuple[dict[str, datetime], set[str]]:
    """The last sign of life of each task and process, and the paused tasks. One query."""
    beats = Heartbeat.objects.values_list("name", "beaten_at", Value(value=False))
    paused = paused_rows().values_list("task", "date_changed", Value(value=True))
    rows = list(beats.union(paused, all=True))
    return (
        {task: time for task, time, is_pause in rows if not is_pause},
        {task for task, _, is_pause in rows if is_pause},
    )


def chore_runs(
    beats: dict[str, datetime], *, at: datetime, paused: Collection[str]
) -> list[ChoreRun]:
    """The runs of all chores, late ones first. ``beats`` comes from ``heartbeats.last_beats``,
    ``paused`` from ``chore_pauses.find_paused``."""
    runs = [
        _chore_run(
            entry["task"],
            title,
            entry["schedule"],
            beats.get(entry["task"]),
            at,
            is_paused=entry["task"] in paused,
        )
        for title, entry in settings.CELERY_BEAT_SCHEDULE.items()
        if entry["task"] != HEARTBEAT
    ]
    return sorted(runs, key=lambda run: (not run.is_late, -run.lag, run.title))


def _chore_run(
    task: str,
    title: str,
    seconds: float,
    last_run: datetime | None,
    at: datetime,
    *,
    is_paused: bool,
) -> ChoreRun:
    period = timedelta(seconds=min(seconds, settings.POLLED_TASKS.get(task, seconds)))
    lag = timedelta()
    if last_run is not None and not is_paused:
        lag = max(lag, at - last_run - period)
    return ChoreRun(task, title, period, last_run, lag, is_paused)
