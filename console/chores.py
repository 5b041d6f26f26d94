"""The clock: every chore with its period and its last run, and dialogs to pause and resume it.

The pages of django-celery-beat, which edit schedules, are not shown: the list in code says what
runs and how often.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.offered_actions import OfferedActions
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from common.models import Heartbeat
from console import chore_decisions

for _model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(_model)

PAUSE = dialogs.describe(
    "Pause the chore",
    "Beat, pollers and workers stop running it within seconds; a run that has begun ends as usual. "
    "What it would do waits until it is resumed.",
    submit="Pause",
    keep="Keep it running",
)
RESUME = dialogs.describe(
    "Resume the chore", "It runs again within seconds, and does what has waited.", submit="Resume"
)


class ChoreStateFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {"running": Q(enabled=True), "paused": Q(enabled=False)}


@admin.register(PeriodicTask)
class ChoreAdmin(OfferedActions, ReadOnlyAdmin):
    """Everything that Tollgate does by the clock. Beat stores this list when it starts; what runs
    and how often is part of the program."""

    sidebar = SidebarEntry(SidebarGroup.CLOCK, 1, "Chores", icon="schedule")
    ordering: Sequence[str] = ["enabled", "name"]
    list_per_page = 100
    actions_detail: ClassVar[Sequence[str]] = ["pause", "resume"]
    search_fields = ["name", "task"]
    list_display = ["title", "task_code", "state_badge", "period", "last_run", "paused_by"]
    list_filter = [ChoreStateFilter]
    fields = [
        "title",
        "task_code",
        "state_badge",
        "why_always",
        "period",
        "last_run",
        "last_sent",
        "paused_by",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The chores with their last complete runs. One query."""
        beats = Heartbeat.objects.filter(name=OuterRef("task")).values("beaten_at")
        rows = super().get_queryset(request).select_related("interval")
        annotated: QuerySet[Any] = rows.annotate(beaten_at=Subquery(beats))
        return annotated

    def refused_actions(self, row: PeriodicTask) -> Collection[str]:
        if row.task in settings.UNPAUSABLE_TASKS:
            return ("pause", "resume")
        return ("resume",) if row.enabled else ("pause",)

    def has_decide_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("django_celery_beat.change_periodictask")

    @action(
        description="Pause", url_path="pause", icon="pause", permissions=["decide"], dialog=PAUSE
    )
    def pause(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, PAUSE, chore_decisions.pause)

    @action(
        description="Resume",
        url_path="resume",
        icon="play_arrow",
        permissions=["decide"],
        dialog=RESUME,
    )
    def resume(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, RESUME, chore_decisions.resume)

    def _decide(
        self,
        request: HttpRequest,
        form: dialogs.Dialog,
        object_id: str,
        dialog: dict[str, Any],
        decide: Callable[..., None],
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            decide(
                chore=row,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "Done.", to=columns.url(row))

        return dialogs.attempt(request, form, dialog, act)

    @display(description="Name", ordering="name")
    def title(self, row: PeriodicTask) -> str:
        return str(row.name)

    @display(description="Paused by, and why")
    def paused_by(self, row: PeriodicTask) -> str:
        return row.description or columns.EMPTY

    @display(description="Task", ordering="task")
    def task_code(self, row: PeriodicTask) -> object:
        return columns.code(row.task)

    @display(description="State", ordering="enabled")
    def state_badge(self, row: PeriodicTask) -> object:
        if row.task in settings.UNPAUSABLE_TASKS:
            return columns.badge("always on", tone="default")
        return columns.badge("running" if row.enabled else "paused")

    @display(description="Why it cannot be paused")
    def why_always(self, row: PeriodicTask) -> str:
        return settings.UNPAUSABLE_TASKS.get(row.task, columns.EMPTY)

    @display(description="Every")
    def period(self, row: PeriodicTask) -> str:
        beaten = row.interval.every if row.interval else 0
        polled = settings.POLLED_TASKS.get(row.task)
        return f"{beaten} s" if polled is None else f"{beaten} s; {polled:g} s in workers"

    @display(description="Last complete run")
    def last_run(self, row: Any) -> str:
        return columns.moment(row.beaten_at)

    @display(description="Last sent by beat")
    def last_sent(self, row: PeriodicTask) -> str:
        return columns.moment(row.last_run_at)
