"""Staff accounts and groups, in the style of the console.

Based on Django's own pages; every change is also in the audit trail.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from common.admin.actors import actor
from common.admin.sidebar import SidebarEntry, SidebarGroup
from console import chores
from events.audit import audit_trail as audit

__all__ = ["AuditedAdmin", "GroupAdmin", "UserAdmin", "chores"]

admin.site.unregister(User)
admin.site.unregister(Group)


class AuditedAdmin(ModelAdmin):  # type: ignore[misc]  # unfold carries no types
    """A page whose forms write the audit trail, in the transaction that Django opens for them."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        _record(request, "create", obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        _record(request, "change", obj, message)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Always False: an unused account is made inactive, because the audit trail names it."""
        return False


@admin.register(User)
class UserAdmin(DjangoUserAdmin, AuditedAdmin):  # type: ignore[misc, type-arg]  # no entries returned
    sidebar = SidebarEntry(SidebarGroup.STAFF, 1, "Users", icon="person")
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_filter = ["is_staff", "is_superuser", "is_active", "groups"]


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, AuditedAdmin):  # type: ignore[misc]  # no entries returned
    sidebar = SidebarEntry(SidebarGroup.STAFF, 2, "Groups", icon="groups")


def _record(request: HttpRequest, verb: str, row: Model, message: Any) -> None:
    """Record which fields were changed, but not their values: a password may be one of them."""
    audit.record(
        actor=actor(request),
        action=f"{row._meta.model_name}.{verb}",
        subject=f"{row._meta.model_name}:{row.pk}",
        after={"name": str(row), "form": message},
        at=timezone.now(),
    )
