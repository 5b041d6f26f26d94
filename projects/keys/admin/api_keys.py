from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.sidebar import SidebarEntry, SidebarGroup
from projects.keys import api_keys
from projects.keys.admin import keys
from projects.keys.admin.key_filters import KeyStateFilter
from projects.keys.admin.key_pages import KeyAdmin
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


@admin.register(ApiKey)
class ApiKeyAdmin(KeyAdmin):
    """Keys are issued from their project's page, shown once, and never readable again."""

    sidebar = SidebarEntry(SidebarGroup.TENANTS, 3, "API keys", icon="key")
    actions_detail: ClassVar[Sequence[str]] = ["rotate", "revoke"]
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

    def revoke_key(self, **kwargs: Any) -> ApiKey:
        return api_keys.revoke(**kwargs)

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

    @display(description="Project", ordering="project__name")
    def project_link(self, row: ApiKey) -> object:
        return columns.link(row.project)

    @display(description="Scopes")
    def scope_list(self, row: Any) -> object:
        return columns.code(", ".join(row.scopes))
