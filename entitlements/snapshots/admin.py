from django.contrib import admin
from django.utils import timezone

from common.admin import columns
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from entitlements.models import SigningKey


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyAdmin):
    """Keys that sign snapshots. `manage.py rotate_signing_key` makes a new one."""

    sidebar = SidebarEntry(SidebarGroup.ACCESS, 4, "Signing keys", icon="signature")
    search_fields = ["id__exact"]
    list_display = ["id", "algorithm", "state_badge", "created_at", "retired_at", "published_until"]
    fields = [
        "id",
        "algorithm",
        "public_key",
        "state_badge",
        "created_at",
        "retired_at",
        "published_until",
    ]

    @display(description="Public key")
    def public_key(self, row: SigningKey) -> object:
        return columns.code(row.public)

    @display(description="State")
    def state_badge(self, row: SigningKey) -> object:
        if row.published_until is None:
            return columns.badge("active")
        return columns.badge("published" if timezone.now() < row.published_until else "expired")
