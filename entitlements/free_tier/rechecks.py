"""What holds for everybody in a project has changed: look at each customer whom it knows.

In batches, in the background. Told is ``entitlements.changed``, to those whose answer differs from
what was told last; the others cost a fixed number of queries for a whole batch.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from common import batch_runs
from common.batch_runs import Job
from common.models import ProjectQuerySet, RunStatus
from common.queue import enqueue
from common.selectors import batch_runs as runs
from entitlements.facts import notices as announcements
from entitlements.features.selectors import rules
from entitlements.models import Recheck
from projects.customers import selectors as customers
from projects.models import Customer, Project

TASK = "entitlements.recheck"
TURN = timedelta(seconds=2)
"""How long one call works; whoever called has other things to do."""


def start(*, project: Project, at: datetime) -> Recheck:
    """Look at everybody by the rules as they are now; what runs for older ones ends. In the
    transaction of the change, which has raised the version of the rules."""
    project_id = project.pk
    for row in runs.lock_running(Recheck.objects.for_project(project_id)):
        batch_runs.end(row, at=at, status=RunStatus.SUPERSEDED)
        row.save(update_fields=["status", "finished_at"])
    made = Recheck.objects.for_project(project_id).create(rules_version=rules.version(project_id))
    enqueue(TASK)
    return made


def run_due(*, at: datetime) -> int:
    """Do batches for a while; how many. Rings again when that is not all."""
    done, until = 0, time.monotonic() + TURN.total_seconds()
    while batch_runs.turn(JOB, at=at):
        done += 1
        if time.monotonic() > until:
            enqueue(TASK)
            break
    return done


def _everybody(run: Recheck) -> ProjectQuerySet[Customer]:
    return customers.of(run.project_id).order_by("pk")


def _after(run: Recheck, limit: int) -> list[str]:
    rows = _everybody(run).filter(pk__gt=run.cursor) if run.cursor else _everybody(run)
    return list(rows.values_list("pk", flat=True)[:limit])


def _work(run: Recheck, ids: Sequence[str], at: datetime) -> int:
    return announcements.recheck(project_id=run.project_id, customer_ids=ids, at=at)


JOB: Job[Recheck] = Job(
    runs=Recheck.objects.across_projects,
    count=lambda run: _everybody(run).count(),
    batch=_after,
    work=_work,
    finish=lambda run, at: batch_runs.end(run, at=at),
)
