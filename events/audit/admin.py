from typing import Any

from django.contrib import admin

from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from events.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Manual actions: who, what and why."""

    sidebar = SidebarEntry(SidebarGroup.RECORD, 2, "Audit trail", icon="history")
    search_fields = ["id__exact", "subject__exact", "actor__iexact", "request_id__exact"]
    list_select_related = ["project"]
    list_display = [
        "recorded_at",
        "action_code",
        "subject_code",
        "actor",
        "project_link",
        "short_reason",
    ]
    list_filter = [filters.PROJECT, filters.dates("recorded_at")]
    fields = [
        "id",
        "recorded_at",
        "action",
        "subject",
        "actor",
        "project",
        "reason",
        "before_document",
        "after_document",
        "request_id",
    ]
    actions_detail_hide_default = True

    @display(description="Action", ordering="action")
    def action_code(self, row: AuditEntry) -> object:
        return columns.code(row.action)

    @display(description="Subject")
    def subject_code(self, row: AuditEntry) -> object:
        return columns.code(row.subject)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: AuditEntry) -> object:
        return columns.link(row.project)

    @display(description="Reason")
    def short_reason(self, row: AuditEntry) -> str:
        return columns.shortened(row.reason)

    @display(description="Before")
    def before_document(self, row: Any) -> object:
        return columns.document(row.before)

    @display(description="After")
    def after_document(self, row: Any) -> object:
        return columns.document(row.after)
