"""Work on requested reconciliations in bounded parts; the accounts take turns.

All progress is in the database: a worker can die at any line, and the next one continues after the
last page (``reconcile_runs``).
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from billing.models import ReconcileRun, Reconciliation
from billing.operations import heal_policies, reconciliation, reconciliation_control
from billing.operations.drift_reports import DriftSource
from billing.operations.reconcile_pass import ReconcilePass
from billing.operations.reconciliation import ReconcileResult
from billing.operations.selectors import reconciliations

SLICE_SECONDS = 5.0
"""Time for one step before the next account's step."""
RUN_SECONDS = 10.0
"""Time limit of one run of the task; the next one continues."""
KEPT = timedelta(days=90)
"""How long a reconciliation is kept after its end."""
PURGE_BATCH = 500


def run_due(
    *, at: datetime, seconds: float = RUN_SECONDS, clock: Callable[[], float] = time.monotonic
) -> int:
    """Work on requested reconciliations for ``seconds``, a slice of each in turn. Returns the
    number of slices."""
    deadline, slices, idle = clock() + seconds, 0, set[str]()
    while clock() < deadline:
        row = _take_next(without=idle)
        if row is None:
            break
        if _work_on(row, at=at, clock=clock):
            slices += 1
        else:
            idle.add(row.pk)
            reconciliation_control.end_if_over(row, at=at)
    return slices


def purge(*, at: datetime) -> int:
    """Delete reconciliations that ended 90 days ago with their steps, a batch at most. Returns how
    many."""
    old = reconciliations.purgeable(before=at - KEPT).order_by("finished_at")[:PURGE_BATCH]
    rows = {row.pk: row.purpose for row in old}
    requested = [purpose for pk, purpose in rows.items() if purpose == pk]
    with transaction.atomic():
        ReconcileRun.objects.filter(purpose__in=requested).delete()
        Reconciliation.objects.filter(pk__in=rows).delete()
    return len(rows)


def _take_next(*, without: set[str]) -> Reconciliation | None:
    """The reconciliation that has waited longest for a worker; it goes to the end of the queue."""
    with transaction.atomic():
        row = reconciliations.lock_next(without=without)
        if row is not None:
            Reconciliation.objects.filter(pk=row.pk).update(worked_at=Now())
    return row


def _work_on(row: Reconciliation, *, at: datetime, clock: Callable[[], float]) -> bool:
    """Work on one step for one slice of time; False if no step is due."""
    result = ReconcileResult()
    plan = ReconcilePass(
        purpose=row.purpose,
        at=at,
        repair=not row.dry_run,
        project=row.project,
        policies=heal_policies.current(),
        source=DriftSource(run_id=row.pk),
    )
    assert row.account is not None
    has_worked = reconciliation.work_on_step(
        reconciliation.with_log(plan, result),
        [row.account],
        clock=clock,
        seconds=SLICE_SECONDS,
    )
    if result.not_compared:
        Reconciliation.objects.filter(pk=row.pk).update(
            not_compared=F("not_compared") + result.not_compared
        )
    return has_worked
