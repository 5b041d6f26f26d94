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
from delivery.mail import suppressions
from delivery.models import MailSuppression, SuppressionReason

LIFT = dialogs.describe(
    "Write to this address again",
    "Do it when the reader has repaired the mailbox, or asks for mail. If it comes back again, the "
    "provider may think worse of us.",
    submit="Write again",
)


@admin.register(MailSuppression)
class MailSuppressionAdmin(ReadOnlyAdmin):
    """Addresses that get no mail. Only digests are stored: the reader's page shows the address."""

    sidebar = SidebarEntry(SidebarGroup.RECORD, 4, "Undeliverable mail", icon="unsubscribe")
    actions_detail: ClassVar[Sequence[str]] = ["lift"]
    search_fields = ["id__exact", "recipient__exact", "notification__exact"]
    list_select_related = ["project"]
    list_display = ["recipient_link", "reason", "project_link", "created_at"]
    list_filter = [filters.PROJECT, filters.words("reason", SuppressionReason.values)]
    fields = ["id", "recipient_link", "reason", "notification_link", "project", "created_at"]

    def has_lift_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("delivery.change_mailsuppression")

    @action(
        description="Write again",
        url_path="lift",
        icon="mark_email_read",
        permissions=["lift"],
        dialog=LIFT,
    )
    def lift(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        def act() -> HttpResponse:
            suppressions.lift(
                self.row(request, object_id),
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            to = columns.listing("delivery.mailsuppression")
            return dialogs.finish(request, "The address gets mail again.", to=to)

        return dialogs.attempt(request, form, LIFT, act)

    @display(description="Reader")
    def recipient_link(self, row: MailSuppression) -> object:
        model = "projects.project" if row.recipient == row.project_id else "projects.customer"
        return columns.anchor(columns.page(model, row.recipient), row.recipient)

    @display(description="Message that came back")
    def notification_link(self, row: MailSuppression) -> object:
        return columns.anchor(
            columns.page("delivery.notification", row.notification), row.notification
        )

    @display(description="Project", ordering="project__name")
    def project_link(self, row: MailSuppression) -> object:
        return columns.link(row.project)
