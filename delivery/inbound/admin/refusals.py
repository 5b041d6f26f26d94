from django.contrib import admin

from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from delivery.models import InboundRefusal


@admin.register(InboundRefusal)
class InboundRefusalAdmin(ReadOnlyAdmin):
    """Names of projects in messages of the shared streams that no project accepts."""

    sidebar = SidebarEntry(SidebarGroup.RECORD, 10, "Refused messages", icon="block")
    search_fields = ["name__exact"]
    list_display = ["name", "count", "first_at", "last_at"]
    fields = ["name", "count", "first_at", "last_at"]
