from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from projects.keys import api_keys
from projects.keys.admin import keys
from projects.keys.admin.key_filters import KeyStateFilter
from projects.models import ApiKey

MAX_OVERLAP = timedelta(days=30)


class RotateKeyForm(dialogs.Dialog):
    overlap_hours = forms.IntegerField(
        min_value=0,
        max_value=MAX_OVERLAP // timedelta(hours=1),
        initial=api_keys.DEFAULT_OVERLAP // timedelta(hours=1),
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="How long the old key still works beside the new one.",
    )


ROTATE = dialogs.describe(
    "Rotate key",
    "Issues a new key with the same scopes. It is shown once.",
    submit="Make the successor",
    form=RotateKeyForm,
)
REVOKE = dialogs.describe(
    "Revoke key",
    "The key stops working within five seconds and cannot be brought back.",
    submit="Revoke key",
    keep="Keep key",
)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys are issued from their project's page, shown once, and never readable again."""

    sidebar = SidebarEntry(SidebarGroup.TENANTS, 3, "API keys", icon="key")
    actions_detail: ClassVar[Sequence[str]] = ["rotate", "revoke"]
    search_fields = ["id__exact", "name__icontains", "last_four__exact"]
    list_select_related = ["project", "app"]
    list_display = [
        "name",
        "masked",
        "project_link",
        "app",
        "state_badge",
        "last_used_at",
        "expires_at",
        "created_at",
    ]
    list_filter = [filters.PROJECT, KeyStateFilter, filters.dates("last_used_at")]
    fields = [
        "id",
        "name",
        "masked",
        "project",
        "app",
        "state_badge",
        "scope_list",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
        "rotated_to",
    ]

    def has_key_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("projects.change_apikey")

    @action(
        description="Rotate",
        url_path="rotate",
        icon="autorenew",
        permissions=["key"],
        dialog=ROTATE,
    )
    def rotate(self, request: HttpRequest, form: RotateKeyForm, object_id: str) -> HttpResponse:
        def act() -> HttpResponse:
            successor, secret = api_keys.rotate(
                key=self.row(request, object_id),
                overlap=timedelta(hours=form.cleaned_data["overlap_hours"]),
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return keys.show_once(request, successor, secret)

        return dialogs.attempt(request, form, ROTATE, act)

    @action(
        description="Revoke",
        url_path="revoke",
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["key"],
        dialog=REVOKE,
    )
    def revoke(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        def act() -> HttpResponse:
            key = api_keys.revoke(
                key=self.row(request, object_id),
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{key.name} is revoked.", to=columns.url(key))

        return dialogs.attempt(request, form, REVOKE, act)

    @display(description="Key")
    def masked(self, row: ApiKey) -> object:
        return keys.masked(row)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: ApiKey) -> object:
        return columns.link(row.project)

    @display(description="State")
    def state_badge(self, row: ApiKey) -> object:
        return columns.badge(keys.state(row, timezone.now()))

    @display(description="Scopes")
    def scope_list(self, row: Any) -> object:
        return columns.code(", ".join(row.scopes))
