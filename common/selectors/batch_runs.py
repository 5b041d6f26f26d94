"""Batch runs, locked while one of their batches is processed."""

from typing import TypeVar

from django.db.models.functions import Now

from common.models import BatchRun, ProjectQuerySet, RunStatus

RunT = TypeVar("RunT", bound=BatchRun)


def lock_due(runs: ProjectQuerySet[RunT]) -> RunT | None:
    """The due run that has waited longest and that no other worker has locked; None without one."""
    due = runs.filter(status=RunStatus.RUNNING, next_try_at__lte=Now())
    return due.select_for_update(skip_locked=True, of=("self",)).order_by("next_try_at").first()


def lock_running(runs: ProjectQuerySet[RunT]) -> list[RunT]:
    """The running ones of these runs; waits for batches that are being processed."""
    running = runs.filter(status=RunStatus.RUNNING).order_by("pk")
    return list(running.select_for_update(of=("self",)))


def lock(runs: ProjectQuerySet[RunT], *, run_id: str) -> RunT:
    """One run; waits for a batch that is being processed."""
    return runs.select_for_update(of=("self",)).get(pk=run_id)
