from collections.abc import Sequence
from typing import ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from common.admin import columns, dialogs, fields
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from projects.keys import api_keys
from projects.keys.admin import keys
from projects.keys.admin.key_filters import KeyStateFilter
from projects.models import PlatformKey


class IssuePlatformKeyForm(dialogs.Dialog):
    name = fields.text(max_length=120, help_text="What the key is for.")


ISSUE = dialogs.describe(
    "Issue a platform key",
    "It gives access to the settings and keys of every project, not to their data. It is "
    "shown once.",
    submit="Issue",
    form=IssuePlatformKeyForm,
)
REVOKE = dialogs.describe(
    "Revoke key",
    "The key stops working within five seconds and cannot be brought back.",
    submit="Revoke key",
    keep="Keep key",
)


@admin.register(PlatformKey)
class PlatformKeyAdmin(ReadOnlyAdmin):
    """Keys of the platform's own automation."""

    sidebar = SidebarEntry(SidebarGroup.TENANTS, 4, "Platform keys", icon="vpn_key")
    actions_list: ClassVar[Sequence[str]] = ["issue"]
    actions_detail: ClassVar[Sequence[str]] = ["revoke"]
    search_fields = ["id__exact", "name__icontains", "last_four__exact"]
    list_display = ["name", "masked", "state_badge", "last_used_at", "expires_at", "created_at"]
    list_filter = [KeyStateFilter]
    fields = [
        "id",
        "name",
        "masked",
        "state_badge",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]

    def has_issue_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("projects.add_platformkey")

    def has_key_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("projects.change_platformkey")

    @action(
        description="Issue a key",
        url_path="issue",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["issue"],
        dialog=ISSUE,
    )
    def issue(self, request: HttpRequest, form: IssuePlatformKeyForm) -> HttpResponse:
        def act() -> HttpResponse:
            key, secret = api_keys.issue_platform(
                name=form.cleaned_data["name"],
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return keys.show_once(request, key, secret)

        return dialogs.attempt(request, form, ISSUE, act)

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
            key = api_keys.revoke_platform(
                key=self.row(request, object_id),
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{key.name} is revoked.", to=columns.url(key))

        return dialogs.attempt(request, form, REVOKE, act)

    @display(description="Key")
    def masked(self, row: PlatformKey) -> object:
        return keys.masked(row)

    @display(description="State")
    def state_badge(self, row: PlatformKey) -> object:
        return columns.badge(keys.state(row, timezone.now()))
