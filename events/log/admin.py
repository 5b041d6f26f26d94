from django.contrib import admin
from django.db.models import Q

from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from events.catalog import EventType
from events.models import OutboxEvent


class RelayedFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "waiting": Q(relayed_at__isnull=True),
        "relayed": Q(relayed_at__isnull=False),
    }


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    """Events for tenants, in the order in which they happened."""

    sidebar = SidebarEntry(SidebarGroup.RECORD, 1, "Outbox", icon="outbox")
    search_fields = ["id__exact", "subject__exact", "customer_id__exact"]
    list_select_related = ["project"]
    list_display = [
        "id",
        "type_code",
        "subject_code",
        "customer_link",
        "version",
        "project_link",
        "occurred_at",
        "state_badge",
    ]
    list_filter = [
        RelayedFilter,
        filters.PROJECT,
        filters.words("type", EventType.values),
        filters.dates("occurred_at"),
    ]
    fields = [
        "id",
        "type",
        "subject",
        "customer_link",
        "version",
        "project",
        "occurred_at",
        "relayed_at",
        "data_document",
        "previous_document",
    ]

    @display(description="Type", ordering="type")
    def type_code(self, row: OutboxEvent) -> object:
        return columns.code(row.type)

    @display(description="Subject")
    def subject_code(self, row: OutboxEvent) -> object:
        return columns.code(row.subject)

    @display(description="Customer")
    def customer_link(self, row: OutboxEvent) -> object:
        if not row.customer_id:
            return columns.EMPTY
        return columns.anchor(columns.page("projects.customer", row.customer_id), row.customer_id)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: OutboxEvent) -> object:
        return columns.link(row.project)

    @display(description="State")
    def state_badge(self, row: OutboxEvent) -> object:
        return columns.badge("relayed" if row.relayed_at else "waiting")

    @display(description="Data")
    def data_document(self, row: OutboxEvent) -> object:
        return columns.document(row.data)

    @display(description="Previous values")
    def previous_document(self, row: OutboxEvent) -> object:
        return columns.document(row.previous)
