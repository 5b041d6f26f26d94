from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from delivery.mail import kinds, resending
from delivery.models import Notification, NotificationState
from delivery.models.notification import OPERATORS

SEND_AGAIN = dialogs.describe(
    "Send again",
    "Nobody knows whether an unknown message has arrived: the reader may get it twice.",
    submit="Send again",
    keep="Do not send",
)


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """Messages to customers and to the projects' people."""

    sidebar = SidebarEntry(SidebarGroup.RECORD, 3, "Messages", icon="mail")
    actions_detail: ClassVar[Sequence[str]] = ["send_again"]
    search_fields = ["id__exact", "recipient__exact", "source__exact", "subject__exact"]
    list_select_related = ["project"]
    list_display = [
        "id",
        "kind",
        "state_badge",
        "reason",
        "recipient_link",
        "channel",
        "project_link",
        "created_at",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("state", NotificationState.values),
        filters.words("kind", kinds.NAMES),
        filters.dates("created_at"),
    ]
    fields = [
        "id",
        "kind",
        "state_badge",
        "reason",
        "recipient_link",
        "source",
        "subject",
        "project",
        "channel",
        "attempts",
        "due_at",
        "useless_at",
        "tried_at",
        "sent_at",
        "provider_id",
        "created_at",
    ]

    def has_send_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("delivery.change_notification")

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
                notification=self.row(request, object_id),
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "It will be sent again.", to=columns.url(row))

        return dialogs.attempt(request, form, SEND_AGAIN, act)

    @display(description="State", ordering="state")
    def state_badge(self, row: Notification) -> object:
        return columns.badge(row.state)

    @display(description="Reader")
    def recipient_link(self, row: Notification) -> Any:
        if row.recipient == OPERATORS:
            return "Operators"
        model = "projects.project" if row.recipient == row.project_id else "projects.customer"
        return columns.anchor(columns.page(model, row.recipient), row.recipient)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: Notification) -> object:
        return columns.link(row.project)
