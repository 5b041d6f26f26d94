"""Pause and resume chores. Beat, pollers and workers follow within seconds."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django_celery_beat.models import PeriodicTask

from common.chore_pauses import paused_tasks
from common.errors import Conflict
from events.audit import audit_trail as audit


class ChoreUnpausable(Conflict):
    code, title = "chore-unpausable", "This chore cannot be paused."


def pause(*, chore: PeriodicTask, actor: str, reason: str, at: datetime) -> None:
    """No process runs the chore from five seconds on. A run that has begun ends as usual.

    Pausing a paused chore changes nothing. Raises ChoreUnpausable.
    """
    if chore.task in settings.UNPAUSABLE_TASKS:
        raise ChoreUnpausable(settings.UNPAUSABLE_TASKS[chore.task])
    _switch(chore, is_on=False, actor=actor, reason=reason, at=at)


def resume(*, chore: PeriodicTask, actor: str, reason: str, at: datetime) -> None:
    """The chore runs again within seconds. Resuming a running chore changes nothing."""
    _switch(chore, is_on=True, actor=actor, reason=reason, at=at)


def _switch(chore: PeriodicTask, *, is_on: bool, actor: str, reason: str, at: datetime) -> None:
    with transaction.atomic():
        rows = PeriodicTask.objects.filter(pk=chore.pk, enabled=not is_on)
        note = "" if is_on else f"{actor}: {reason}"
        if not rows.update(enabled=is_on, description=note, date_changed=at):
            return
        audit.record(
            actor=actor,
            action="chore.resume" if is_on else "chore.pause",
            subject=f"chore:{chore.task}",
            reason=reason,
            before={"running": not is_on},
            after={"running": is_on},
            at=at,
        )
    paused_tasks.forget()
