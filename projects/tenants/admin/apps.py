from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from projects.keys.admin import keys
from projects.models import ApiKey, App


@admin.register(App)
class AppAdmin(ReadOnlyAdmin):
    """Micro-apps, read-only: projects create and archive them through the API."""

    sidebar = SidebarEntry(SidebarGroup.TENANTS, 2, "Apps", icon="widgets")
    search_fields = ["id__exact", "slug__icontains", "name__icontains"]
    list_select_related = ["project"]
    list_display = ["name", "slug", "project_link", "state_badge", "created_at"]
    list_filter = [filters.PROJECT, filters.dates("created_at")]
    fields = ["id", "name", "slug", "project", "state_badge", "created_at", "archived_at"]

    @display(description="Project", ordering="project__name")
    def project_link(self, row: App) -> object:
        return columns.link(row.project)

    @display(description="State")
    def state_badge(self, row: App) -> object:
        return columns.badge("archived" if row.archived_at else "active")

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        live = ApiKey.objects.for_project(row.project_id).filter(app=row).order_by("-pk")
        return [keys.section(request, live)]
