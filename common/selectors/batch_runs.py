"""Runs that do something to many rows, locked while a batch of one is done."""

from typing import TypeVar

from django.db.models.functions import Now

from common.models import BatchRun, ProjectQuerySet, RunStatus

RunT = TypeVar("RunT", bound=BatchRun)


def lock_due(runs: ProjectQuerySet[RunT]) -> RunT | None:
    """The run that has waited longest; None when there is none that nobody is at work on."""
    due = runs.filter(status=RunStatus.RUNNING, next_try_at__lte=Now())
    return due.select_for_update(skip_locked=True, of=("self",)).order_by("next_try_at").first()


def lock_running(runs: ProjectQuerySet[RunT]) -> list[RunT]:
    """Those of these runs that are under way, once nobody is at work on them."""
    running = runs.filter(status=RunStatus.RUNNING).order_by("pk")
    return list(running.select_for_update(of=("self",)))


def lock(runs: ProjectQuerySet[RunT], *, run_id: str) -> RunT:
    """One run, once nobody is at work on it."""
    return runs.select_for_update(of=("self",)).get(pk=run_id)
