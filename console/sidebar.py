"""The console's sidebar; each operator sees the entries that they have permission for."""

from functools import cache
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from common.admin.sidebar import SidebarEntry, SidebarGroup


@cache
def sidebar_entries() -> dict[type[Model], SidebarEntry]:
    """The entry of every page of the console that declares one, in the sidebar's order."""
    entries = {
        model: entry
        for model in apps.get_models()
        if admin.site.is_registered(model)
        and (entry := getattr(admin.site.get_model_admin(model), "sidebar", None))
    }
    order = list(SidebarGroup)
    return dict(
        sorted(entries.items(), key=lambda item: (order.index(item[1].group), item[1].position))
    )


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups that this operator may see; a group without entries is left out."""
    overview = {"title": "Overview", "icon": "space_dashboard", "link": reverse("admin:index")}
    groups: dict[SidebarGroup, list[dict[str, Any]]] = {}
    for model, entry in sidebar_entries().items():
        if request.user.has_perm(view_permission(model)):
            item = {"title": entry.title, "icon": entry.icon, "link": _list_address(model)}
            groups.setdefault(entry.group, []).append(item)
    titled = [{"title": group.value, "items": items} for group, items in groups.items()]
    return [{"items": [overview]}, *titled]


@cache
def entries_by_address() -> dict[str, SidebarEntry]:
    """The entry of each list, by the list's address."""
    return {_list_address(model): entry for model, entry in sidebar_entries().items()}


def view_permission(model: type[Model]) -> str:
    """The name of the permission to see the model's rows."""
    return f"{model._meta.app_label}.view_{model._meta.model_name}"


def _list_address(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
