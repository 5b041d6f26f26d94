"""Operators write which permissions a project's features stand for."""

import pytest
from django.test import Client
from django.urls import reverse

from entitlements.models import PermissionMap
from events.models import AuditEntry
from projects.models import Project
from tests.console.dialogs import send, was_done
from tests.factories.entitlements import LimitFactory

pytestmark = pytest.mark.django_db


def test_operators_edit_the_map_as_lines(operator: Client, other_project: Project) -> None:
    LimitFactory.create(project=other_project, code="places")
    add = "/admin/entitlements/permissionmap/add-map/"
    assert "with a colon" in send(operator, add, project=other_project.pk, names="places").text
    assert "No such feature" in send(operator, add, project=other_project.pk, names="gone: a").text
    assert was_done(
        send(operator, add, project=other_project.pk, names="places: team.invite team.see")
    )
    row = PermissionMap.objects.for_project(other_project).get()
    assert row.permissions == {"places": ["team.invite", "team.see"]}
    change = reverse("admin:entitlements_permissionmap_change_map", args=[row.pk])
    assert "places: team.invite team.see" in operator.get(change).text
    assert was_done(send(operator, change, names="", reason="No longer used."))
    row.refresh_from_db()
    assert row.permissions == {}
    entry = AuditEntry.objects.filter(action="project.set_permission_map").latest("pk")
    assert entry.reason == "No longer used."
