from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Button, Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from projects.customers.admin import panels
from projects.customers.admin.panels import CustomerAction
from projects.models import Customer


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """The page of a customer, with panels that every app registers."""

    sidebar = SidebarEntry(SidebarGroup.TENANTS, 5, "Customers", icon="group")
    search_fields = ["id__exact", "user_id__exact", "email__iexact", "name__icontains"]
    list_select_related = ["project"]
    list_display = ["user_id", "name", "email", "project_link", "version", "created_at"]
    list_filter = [filters.PROJECT, filters.dates("created_at")]
    fields = [
        "user_id",
        "project",
        "name",
        "email",
        "locale",
        "id",
        "version",
        "created_at",
        "deleted_at",
        "metadata_document",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("project")

    def get_custom_urls(self) -> Sequence[tuple[str, str, Callable[..., HttpResponse]]]:
        return [
            (
                f"<path:object_id>/{action.name}/",
                f"projects_customer_{action.name}",
                self._view(action),
            )
            for action in panels.all_actions()
        ]

    def _view(self, action: CustomerAction) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str, model_admin: object) -> HttpResponse:
            if not request.user.has_perm(action.permission):
                raise PermissionDenied
            return action.view(request, self.row(request, object_id))

        return view

    def buttons(self, request: HttpRequest, row: Customer) -> list[Button]:
        return [
            Button(
                action.label,
                reverse(f"admin:projects_customer_{action.name}", args=[row.pk]),
                icon=action.icon,
                primary=number == 0,
            )
            for number, action in enumerate(panels.all_actions())
            if request.user.has_perm(action.permission)
        ]

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return panels.sections(request, row, timezone.now())

    @display(description="Project", ordering="project__name")
    def project_link(self, row: Customer) -> object:
        return columns.link(row.project)

    @display(description="Metadata")
    def metadata_document(self, row: Customer) -> object:
        return columns.document(row.metadata)
