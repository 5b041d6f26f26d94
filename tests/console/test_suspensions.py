"""Operators suspend a project with a reason and resume it."""

import pytest
from django.test import Client

from events.models import AuditEntry
from projects.models import Project
from tests.api_client import ApiClient
from tests.console.dialogs import send, was_done
from tests.console.world import World
from tests.factories.projects import key_of

pytestmark = pytest.mark.django_db


def test_an_operator_suspends_and_resumes_a_project(
    world: World, operator: Client, viewer: Client
) -> None:
    page = f"/admin/projects/project/{world.project.pk}"
    key = ApiClient(key_of(world.project))
    assert key.get("/customers").status_code == 200
    assert send(viewer, f"{page}/suspend/").status_code == 403

    assert was_done(send(operator, f"{page}/suspend/"))
    assert key.get("/customers").json()["code"] == "project-suspended"
    assert "suspended" in operator.get(f"{page}/change/").text

    assert was_done(send(operator, f"{page}/resume/"))
    assert key.get("/customers").status_code == 200
    assert Project.objects.get(pk=world.project.pk).suspended_at is None
    entries = AuditEntry.objects.filter(action__in=["project.suspend", "project.resume"])
    assert [each.actor for each in entries] == ["operator:operator"] * 2
    assert all(each.reason for each in entries)
