"""Background runs over many rows: batch by batch, never two batches of a run at once.

The row of a run is locked during a batch. The changes of the batch, the progress of the run and the
result commit together, so that another worker can continue after a crash. Code that changes the
input of a run writes to the run's row first, which waits for the current batch.

A failed batch is tried again with fewer rows, down to a single row. A row that still fails is
recorded with its id and skipped, so that it does not block the other rows.
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
"""Failures at the same row, in ever smaller batches, before the row is skipped."""
PAUSE = timedelta(seconds=1)
"""Pause between two tries of a single row, and between two checks for older transactions."""
ERROR_LENGTH = 255
MOST_FAILED = 100
"""Most ids of failed rows that are stored."""

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
    """The functions of one kind of run.

    ``batch`` returns the ids of the next rows behind the cursor, in order. ``work`` processes them
    and returns how many changed. ``finish`` sets the status when no rows are left.
    """

    runs: Callable[[], ProjectQuerySet[RunT]]
    count: Callable[[RunT], int]
    batch: Callable[[RunT, int], Sequence[str]]
    work: Callable[[RunT, Sequence[str], datetime], int]
    finish: Callable[[RunT, datetime], None]
    size: int = SIZE


def run_batch(job: Job[RunT], *, at: datetime) -> bool:
    """Process one batch of the run that has waited longest; False if none is due."""
    run: RunT | None = None
    try:
        with transaction.atomic():
            run = stored.lock_due(job.runs())
            if run is None:
                return False
            if run.total is None and not _begin(job, run):
                return True
            _process_batch(job, run, at)
    except Exception as error:  # stored with the run; other runs continue
        if run is None:
            raise
        log.warning("batch_failed", run=run.pk, error=type(error).__name__)
        _record_failure(job, run, error)
    return True


def end(run: BatchRun, *, at: datetime, status: RunStatus = RunStatus.DONE) -> None:
    """Set the final status and time of the run; the caller saves it."""
    run.status, run.finished_at = status.value, at


def _begin(job: Job[RunT], run: RunT) -> bool:
    """Count the rows once all transactions that may not see the change have ended.

    A transaction that began before the change may still write results of the earlier state; later
    ones see the change.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # within a transaction it stands still
        cursor.execute(_OLDER_ARE_OVER, {"seen_at": run.seen_at})
        run.seen_at, is_visible = cursor.fetchone()
    if is_visible:
        run.total = job.count(run)
    else:
        run.next_try_at = Now() + PAUSE
    run.save(update_fields=["seen_at", "total", "next_try_at"])
    return bool(is_visible)


def _process_batch(job: Job[RunT], run: RunT, at: datetime) -> None:
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


def _record_failure(job: Job[RunT], run: RunT, error: Exception) -> None:
    """Schedule a smaller batch at once, a single row after a pause; skip the row after ATTEMPTS
    failures."""
    with transaction.atomic():
        row = stored.lock(job.runs(), run_id=run.pk)
        if row.cursor != run.cursor or row.status != RunStatus.RUNNING:
            return
        is_single = _size(job, row) == 1
        row.attempts += 1
        row.last_error = error_text(error, length=ERROR_LENGTH)
        row.next_try_at = Now() + PAUSE * (row.attempts if is_single else 0)
        if row.attempts > ATTEMPTS:
            _skip_row(job, row)
        row.save()


def _skip_row(job: Job[RunT], row: RunT) -> None:
    row.attempts = 0
    for key in job.batch(row, 1):
        row.failed = [*row.failed, key][-MOST_FAILED:]
        row.cursor, row.looked_at = key, row.looked_at + 1
