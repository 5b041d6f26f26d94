"""The console's page of permission maps. In its dialog a feature is one line."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from unfold.enums import ActionVariant

from common.admin import columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from entitlements.facts.permission_notices import PermissionNames
from entitlements.models import PermissionMap
from entitlements.permissions import service as permissions
from projects.models import Project


class PermissionMapForm(dialogs.Dialog):
    """The whole map as lines like ``sso: sso.use sso.configure``."""

    names = fields.paragraph(
        rows=8,
        required=False,
        max_length=50_000,
        label="Map",
        help_text="One feature per line, with its permissions: sso: sso.use sso.configure",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = PermissionMap.objects.across_projects()
        row = rows.filter(pk=self.row_key).first() if self.object_id else None
        if row is not None:
            self.initial["names"] = "\n".join(_lines(row.permissions))

    def clean_names(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for line in filter(None, map(str.strip, self.cleaned_data["names"].splitlines())):
            code, colon, permission_names = line.partition(":")
            if not colon or code.strip() in names:
                raise ValidationError(f"One line per feature, with a colon: {line[:80]}")
            names[code.strip()] = permission_names.split()
        return names


class NewPermissionMapForm(PermissionMapForm):
    project = fields.choice(help_text="A project without a map.")
    field_order = ["project", "names"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mapped = PermissionMap.objects.across_projects().values("project_id")
        rows = Project.objects.exclude(pk__in=mapped)
        self.fields["project"].choices = [(row.pk, row.name) for row in rows]


NOTE = (
    "In the background, each user whose permissions change gets a user.permissions_changed event "
    "with the whole set."
)
ADD = dialogs.describe("Add a permission map", NOTE, submit="Save", form=NewPermissionMapForm)
CHANGE = dialogs.describe("Permission map", NOTE, submit="Save", form=PermissionMapForm)


@admin.register(PermissionMap)
class PermissionMapAdmin(ReadOnlyAdmin):
    """The projects whose features stand for permissions at their auth service."""

    sidebar = SidebarEntry(SidebarGroup.ACCESS, 8, "Permission maps", icon="lock_person")
    actions_list: ClassVar[Sequence[str]] = ["add_map"]
    actions_detail: ClassVar[Sequence[str]] = ["change_map"]
    search_fields = ["id__exact", "project__name__icontains"]
    list_select_related = ["project"]
    list_display = ["project_link", "feature_count", "updated_at"]
    list_filter = [filters.PROJECT]
    fields = ["project", "lines", "updated_at"]

    def has_map_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("projects.change_project")

    @action(
        description="Add a map",
        url_path="add-map",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["map"],
        dialog=ADD,
    )
    def add_map(self, request: HttpRequest, form: NewPermissionMapForm) -> HttpResponse:
        project = Project.objects.filter(pk=form.cleaned_data["project"]).first()
        if project is None:
            raise Http404
        return _save(request, form, ADD, project)

    @action(
        description="Change",
        url_path="change-map",
        icon="edit",
        permissions=["map"],
        dialog=CHANGE,
    )
    def change_map(
        self, request: HttpRequest, form: PermissionMapForm, object_id: str
    ) -> HttpResponse:
        return _save(request, form, CHANGE, self.row(request, object_id).project)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: PermissionMap) -> object:
        return columns.link(row.project)

    @display(description="Features")
    def feature_count(self, row: PermissionMap) -> int:
        return len(row.permissions)

    @display(description="Map")
    def lines(self, row: PermissionMap) -> object:
        lines = ((line,) for line in _lines(row.permissions))
        return format_html_join("", "<div>{}</div>", lines) or columns.EMPTY


def _lines(names: PermissionNames) -> list[str]:
    return [f"{code}: {' '.join(permissions)}" for code, permissions in sorted(names.items())]


def _save(
    request: HttpRequest, form: PermissionMapForm, dialog: dict[str, Any], project: Project
) -> HttpResponse:
    def act() -> HttpResponse:
        permissions.replace(
            project=project,
            names=form.cleaned_data["names"],
            reason=form.cleaned_data["reason"],
            actor=actor(request),
            at=timezone.now(),
        )
        page = columns.listing("entitlements.permissionmap", project__id__exact=project.pk)
        return dialogs.finish(request, f"The permission map of {project} is saved.", to=page)

    return dialogs.attempt(request, form, dialog, act)
