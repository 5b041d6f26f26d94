"""API keys in the console, which shows only the last four characters of a secret."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from common.admin import columns, dialogs
from common.admin.sections import Button, Section
from projects.models import ApiKey, PlatformKey


def state(key: ApiKey | PlatformKey, at: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_live(at):
        return "expired"
    return "replaced" if getattr(key, "rotated_to_id", None) else "active"


def masked(key: ApiKey | PlatformKey) -> object:
    return columns.code(f"{key.prefix}…{key.last_four}")


def section(
    request: HttpRequest, keys: Iterable[ApiKey], *, buttons: Sequence[Button] = ()
) -> Section:
    now = timezone.now()
    return Section(
        title="Keys",
        headers=["Name", "Key", "State", "Scopes", "Last used", "Expires"],
        rows=[
            [
                columns.link(key, key.name),
                masked(key),
                columns.badge(state(key, now)),
                len(key.scopes),
                columns.moment(key.last_used_at),
                columns.moment(key.expires_at),
            ]
            for key in keys
        ],
        empty="No key yet.",
        buttons=buttons,
        right=[3],
    )


def show_once(request: HttpRequest, key: ApiKey | PlatformKey, secret: str) -> HttpResponse:
    """The dialog with the new secret, which is shown in this response only."""
    context = {"key": key, "secret": secret, "to": columns.url(key)}
    return dialogs.show(request, "console/secret.html", context)
