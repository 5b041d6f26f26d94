"""What the console's pages of API keys and of platform keys share."""

from typing import Any

from django.contrib.auth import get_permission_codename
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from common.admin import columns, dialogs
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from projects.keys.admin import keys
from projects.models import ApiKey, PlatformKey

REVOKE = dialogs.describe(
    "Revoke key",
    "The key stops working within five seconds and cannot be brought back.",
    submit="Revoke key",
    keep="Keep key",
)


class KeyAdmin(ReadOnlyAdmin):
    """Keys with their state, and the button that revokes one by the service's ``revoke``."""

    search_fields = ["id__exact", "name__icontains", "last_four__exact"]

    def revoke_key(self, **kwargs: Any) -> ApiKey | PlatformKey:
        """Call the service that revokes a key of this kind."""
        raise NotImplementedError

    def has_key_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        change = get_permission_codename("change", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{change}")

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
            key = self.revoke_key(
                key=self.row(request, object_id),
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{key.name} is revoked.", to=columns.url(key))

        return dialogs.attempt(request, form, REVOKE, act)

    @display(description="Key")
    def masked(self, row: ApiKey | PlatformKey) -> object:
        return keys.masked(row)

    @display(description="State")
    def state_badge(self, row: ApiKey | PlatformKey) -> object:
        return columns.badge(keys.state(row, timezone.now()))
