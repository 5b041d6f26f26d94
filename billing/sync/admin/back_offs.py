from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.sync import queue_decisions
from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from common.models import BackOff

AGAIN = dialogs.describe(
    "Try again now",
    "It is tried at once. If it fails again, the pauses start anew.",
    submit="Try again now",
)


class BackOffStateFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {"parked": Q(parked_at__isnull=False), "waiting": Q(parked_at__isnull=True)}


@admin.register(BackOff)
class BackOffAdmin(ReadOnlyAdmin):
    """Failed rows and requests of queues: those that will be tried again, and parked ones."""

    sidebar = SidebarEntry(
        SidebarGroup.STRIPE, 8, "Failing requests and rows", icon="running_with_errors"
    )
    actions_detail: ClassVar[Sequence[str]] = ["again"]
    search_fields = ["owner__exact", "subject__exact", "queue__exact"]
    list_display = [
        "queue",
        "owner_code",
        "subject_code",
        "state_badge",
        "failures",
        "failing_since",
        "retry_at",
        "code",
    ]
    list_filter = [BackOffStateFilter]
    fields = [
        "queue",
        "owner_code",
        "subject_code",
        "state_badge",
        "failures",
        "failing_since",
        "retry_at",
        "parked_at",
        "code",
        "last_error",
    ]

    def has_decide_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("common.change_backoff")

    @action(
        description="Try again now",
        url_path="try-again",
        icon="replay",
        permissions=["decide"],
        dialog=AGAIN,
    )
    def again(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            queue_decisions.try_again(
                row=row,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            message = "It is tried again within a few seconds."
            return dialogs.finish(request, message, to=columns.url(row))

        return dialogs.attempt(request, form, AGAIN, act)

    @display(description="Account or project")
    def owner_code(self, row: Any) -> object:
        return columns.code(row.owner)

    @display(description="What")
    def subject_code(self, row: Any) -> object:
        return columns.code(row.subject) if row.subject else "everything of it"

    @display(description="State")
    def state_badge(self, row: Any) -> object:
        return columns.badge("parked" if row.parked_at else "waiting")
