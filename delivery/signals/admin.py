"""The console's page of signals to workflows."""

from collections.abc import Sequence
from typing import ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from delivery.models import SignalState, WorkflowSignal
from delivery.signals import planner, resending

SEND_AGAIN = dialogs.describe(
    "Send again",
    "A workflow that has got this signal does not get it a second time. If the workflow is still "
    "gone, the signal is parked again.",
    submit="Send again",
)


@admin.register(WorkflowSignal)
class WorkflowSignalAdmin(ReadOnlyAdmin):
    """Signals to the Temporal workflows that wait for payments."""

    sidebar = SidebarEntry(SidebarGroup.RECORD, 10, "Workflow signals", icon="account_tree")
    actions_detail: ClassVar[Sequence[str]] = ["send_again"]
    search_fields = ["id__exact", "workflow_id__exact", "payment_id__exact", "event_id__exact"]
    list_select_related = ["project"]
    list_display = [
        "id",
        "signal",
        "state_badge",
        "reason",
        "workflow_id",
        "payment_link",
        "project_link",
        "created_at",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("state", SignalState.values),
        filters.words("signal", tuple(planner.SIGNALS.values())),
        filters.dates("created_at"),
    ]
    fields = [
        "id",
        "signal",
        "state_badge",
        "reason",
        "workflow_id",
        "payment_link",
        "event_id",
        "project",
        "attempts",
        "due_at",
        "sent_at",
        "created_at",
    ]

    def has_send_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("delivery.change_workflowsignal")

    @action(
        description="Send again",
        url_path="send-again",
        icon="send",
        permissions=["send"],
        dialog=SEND_AGAIN,
    )
    def send_again(
        self, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        def act() -> HttpResponse:
            row = resending.send_again(
                signal=self.row(request, object_id),
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "It will be sent again.", to=columns.url(row))

        return dialogs.attempt(request, form, SEND_AGAIN, act)

    @display(description="State", ordering="state")
    def state_badge(self, row: WorkflowSignal) -> object:
        return columns.badge(row.state)

    @display(description="Payment")
    def payment_link(self, row: WorkflowSignal) -> object:
        return columns.anchor(columns.page("billing.payment", row.payment_id), row.payment_id)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: WorkflowSignal) -> object:
        return columns.link(row.project)
