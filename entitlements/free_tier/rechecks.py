"""Recheck every customer of a project after its rules have changed.

Runs in batches, in the background. ``entitlements.changed`` goes to customers whose decisions
differ from their last event; the others cost a fixed number of queries per batch.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from common import batch_runs
from common.batch_runs import Job
from common.models import ProjectQuerySet, RunStatus
from common.queue import enqueue
from common.selectors import batch_runs as run_rows
from entitlements.facts import notices
from entitlements.features.selectors import rules_version
from entitlements.models import Recheck
from projects.customers import selectors as customers
from projects.models import Customer, Project

TASK = "entitlements.recheck"
RUN_TIME = timedelta(seconds=2)
"""How long one call of :func:`run_due` works."""


def start(*, project: Project, at: datetime) -> Recheck:
    """Start a recheck for the current version of the rules; running rechecks for older versions
    end. Call it in the transaction that has raised the version."""
    project_id = project.pk
    for row in run_rows.lock_running(Recheck.objects.for_project(project_id)):
        batch_runs.end(row, at=at, status=RunStatus.SUPERSEDED)
        row.save(update_fields=["status", "finished_at"])
    run = Recheck.objects.for_project(project_id).create(
        rules_version=rules_version.read(project_id)
    )
    enqueue(TASK)
    return run


def run_due(*, at: datetime) -> int:
    """Run batches for :data:`RUN_TIME` and return how many. Enqueues itself when work is left."""
    batches, deadline = 0, time.monotonic() + RUN_TIME.total_seconds()
    while batch_runs.run_batch(JOB, at=at):
        batches += 1
        if time.monotonic() > deadline:
            enqueue(TASK)
            break
    return batches


def _customers(run: Recheck) -> ProjectQuerySet[Customer]:
    return customers.of(run.project_id).order_by("pk")


def _next_customer_ids(run: Recheck, limit: int) -> list[str]:
    rows = _customers(run).filter(pk__gt=run.cursor) if run.cursor else _customers(run)
    return list(rows.values_list("pk", flat=True)[:limit])


def _recheck_batch(run: Recheck, ids: Sequence[str], at: datetime) -> int:
    return notices.recheck(project_id=run.project_id, customer_ids=ids, at=at)


JOB: Job[Recheck] = Job(
    runs=Recheck.objects.across_projects,
    count=lambda run: _customers(run).count(),
    batch=_next_customer_ids,
    work=_recheck_batch,
    finish=lambda run, at: batch_runs.end(run, at=at),
)
