from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from common.admin import dialogs, fields
from common.admin.actors import actor
from common.admin.decorators import action
from common.admin.sidebar import SidebarEntry, SidebarGroup
from projects.keys import api_keys
from projects.keys.admin import keys
from projects.keys.admin.key_filters import KeyStateFilter
from projects.keys.admin.key_pages import KeyAdmin
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


@admin.register(PlatformKey)
class PlatformKeyAdmin(KeyAdmin):
    """Keys of the platform's own automation."""

    sidebar = SidebarEntry(SidebarGroup.TENANTS, 4, "Platform keys", icon="vpn_key")
    actions_list: ClassVar[Sequence[str]] = ["issue"]
    actions_detail: ClassVar[Sequence[str]] = ["revoke"]
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

    def revoke_key(self, **kwargs: Any) -> PlatformKey:
        return api_keys.revoke_platform(**kwargs)

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
