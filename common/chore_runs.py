"""What is done by the clock: when each chore was done last, and how late it is now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

HEARTBEAT = "config.heartbeat"
"""Shows that beat, broker and worker are alive, under another name and by itself."""
PATIENCE = timedelta(seconds=60)
"""A chore is late when it is overdue by more than this, and by more than half its period."""


@dataclass(frozen=True, slots=True)
class ChoreRun:
    """The last complete run of a chore, in whichever worker, and what follows from it."""

    task: str
    title: str
    period: timedelta
    """Between two runs, while all is well."""
    last_run: datetime | None
    lag: timedelta
    """For so long it has been due; 0 for one that is not, and for one that has never run."""

    @property
    def is_late(self) -> bool:
        """One that polls has run a few seconds after the first worker's start; of what happens
        hourly or daily a new installation knows no run yet."""
        if self.last_run is None:
            return self.task in settings.POLLED_TASKS
        return self.lag > max(PATIENCE, self.period / 2)


def chore_runs(beats: dict[str, datetime], *, at: datetime) -> list[ChoreRun]:
    """One of each chore, the latest first. ``beats`` is what ``heartbeats.last_beats`` answers."""
    found = [
        _run(entry["task"], title, entry["schedule"], beats.get(entry["task"]), at)
        for title, entry in settings.CELERY_BEAT_SCHEDULE.items()
        if entry["task"] != HEARTBEAT
    ]
    return sorted(found, key=lambda each: (not each.is_late, -each.lag, each.title))


def _run(
    task: str, title: str, seconds: float, last_run: datetime | None, at: datetime
) -> ChoreRun:
    period = timedelta(seconds=min(seconds, settings.POLLED_TASKS.get(task, seconds)))
    lag = timedelta() if last_run is None else max(timedelta(), at - last_run - period)
    return ChoreRun(task, title, period, last_run, lag)
