from django.contrib import admin

from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from common.context import CauseType
from events.catalog import EventType
from events.log import selectors as log
from events.models import OutboxEvent


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    """Events for tenants, with their places in the log."""

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
        "cause_text",
    ]
    list_filter = [
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
        "cause_text",
        "place_text",
        "schema_version",
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

    @display(description="Cause", ordering="cause_type")
    def cause_text(self, row: OutboxEvent) -> object:
        if not row.cause_type:
            return columns.EMPTY
        return f"{CauseType(row.cause_type).label}: {row.cause_id}"

    @display(description="Place in the log")
    def place_text(self, row: OutboxEvent) -> object:
        place = log.find(project_id=row.project_id, event_id=row.pk)
        if place is None:
            return "It has no position yet."
        text = f"Position {place.position} of the project"
        return f"{text}, number {place.sequence} of the customer" if place.sequence else text

    @display(description="Data")
    def data_document(self, row: OutboxEvent) -> object:
        return columns.document(row.data)

    @display(description="Previous values")
    def previous_document(self, row: OutboxEvent) -> object:
        return columns.document(row.previous)
