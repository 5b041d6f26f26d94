"""Something done to many rows in the background: batch by batch, never twice at once.

The row of a run is locked while a batch of it is done, and the batch, how far the run has come and
what came of it commit together. So a run goes on where a dead worker has left it, and whoever
changes what a run goes by waits for the batch in hand by writing to the run's row.

A batch that breaks is tried again smaller, down to a single row; one that still breaks is written
down with its id and left behind, so that it does not keep the others waiting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from common.logs import error_text
from common.models import BatchRun, ProjectQuerySet, RunStatus
from common.selectors import batch_runs as stored

log = structlog.get_logger(__name__)

RunT = TypeVar("RunT", bound=BatchRun)

SIZE = 100
ATTEMPTS = 6
"""Of the same rows, in ever smaller batches, before the one in front is left behind."""
PAUSE = timedelta(seconds=1)
"""Between two tries of a single row, and between two looks at older transactions."""
ERROR_LENGTH = 255
MOST_FAILED = 100
"""Ids that are written down."""

_OLDER_ARE_OVER = """
SELECT seen.at, NOT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
        AND backend_xid IS NOT NULL AND xact_start < seen.at
)
FROM (SELECT coalesce(%(seen_at)s, clock_timestamp()) AS at) AS seen
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[RunT]):
    """What a kind of run does. ``batch`` names the next rows behind the cursor, in order;
    ``work`` does these and says for how many something changed; ``finish`` sets what the run is
    when there are none left."""

    runs: Callable[[], ProjectQuerySet[RunT]]
    count: Callable[[RunT], int]
    batch: Callable[[RunT, int], Sequence[str]]
    work: Callable[[RunT, Sequence[str], datetime], int]
    finish: Callable[[RunT, datetime], None]
    size: int = SIZE


def turn(job: Job[RunT], *, at: datetime) -> bool:
    """Do one batch of the run that has waited longest; False when none is due."""
    run: RunT | None = None
    try:
        with transaction.atomic():
            run = stored.lock_due(job.runs())
            if run is None:
                return False
            if run.total is None and not _begin(job, run):
                return True
            _go_on(job, run, at)
    except Exception as error:  # written down with the run; other runs go on
        if run is None:
            raise
        log.warning("batch_failed", run=run.pk, error=type(error).__name__)
        _failed(job, run, error)
    return True


def end(run: BatchRun, *, at: datetime, status: RunStatus = RunStatus.DONE) -> None:
    """Say what the run has come to; the caller saves it."""
    run.status, run.finished_at = status.value, at


def _begin(job: Job[RunT], run: RunT) -> bool:
    """Count what is to be done, once everybody who may not know of the change has finished.

    A transaction that had begun before may still write what followed from the state before; what
    begins later sees what this run goes by.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # within a transaction it stands still
        cursor.execute(_OLDER_ARE_OVER, {"seen_at": run.seen_at})
        run.seen_at, are_over = cursor.fetchone()
    if are_over:
        run.total = job.count(run)
    else:
        run.next_try_at = Now() + PAUSE
    run.save(update_fields=["seen_at", "total", "next_try_at"])
    return bool(are_over)


def _go_on(job: Job[RunT], run: RunT, at: datetime) -> None:
    ids = job.batch(run, _size(job, run))
    if ids:
        run.changed += job.work(run, ids, at)
        run.cursor, run.looked_at = ids[-1], run.looked_at + len(ids)
        run.attempts = max(run.attempts - 1, 0)
    else:
        job.finish(run, at)
    run.next_try_at = Now()
    run.save()


def _size(job: Job[RunT], run: RunT) -> int:
    return max(job.size >> 2 * run.attempts, 1)


def _failed(job: Job[RunT], run: RunT, error: Exception) -> None:
    """Try a smaller batch at once, a single row after a pause, and leave it behind at last."""
    with transaction.atomic():
        row = stored.lock(job.runs(), run_id=run.pk)
        if row.cursor != run.cursor or row.status != RunStatus.RUNNING:
            return
        is_single = _size(job, row) == 1
        row.attempts += 1
        row.last_error = error_text(error, length=ERROR_LENGTH)
        row.next_try_at = Now() + PAUSE * (row.attempts if is_single else 0)
        if row.attempts > ATTEMPTS:
            _leave_behind(job, row)
        row.save()


def _leave_behind(job: Job[RunT], row: RunT) -> None:
    row.attempts = 0
    for key in job.batch(row, 1):
        row.failed = [*row.failed, key][-MOST_FAILED:]
        row.cursor, row.looked_at = key, row.looked_at + 1
