"""Secrets are shown once and replaced with an overlap; operators decide about the shared stream."""

from datetime import timedelta

import pytest
from django.utils import timezone

from common import crypto
from delivery.inbound import selectors
from delivery.models import InboundSecret, InboundSettings
from events.models import AuditEntry
from projects.models import Project
from tests.api_client import ApiClient

pytestmark = pytest.mark.django_db


def path(project: Project, *rest: str) -> str:
    return "/".join([f"/projects/{project.pk}/inbound", *rest])


def test_a_project_without_settings_hears_nothing(api: ApiClient, project: Project) -> None:
    body = api.get(path(project)).json()
    assert body.pop("url").endswith(f"/api/v1/events/inbound/{project.pk}")
    assert body == {"follows_stream": False, "cancels_subscriptions": True, "secrets": []}


def test_a_secret_is_shown_once_and_stored_encrypted(api: ApiClient, project: Project) -> None:
    answer = api.post(path(project, "rotate-secret"))
    assert answer.status_code == 201
    issued = answer.json()
    assert issued["secret"].startswith("whsec_")
    row = InboundSecret.objects.for_project(project).get()
    assert issued["secret"] not in row.secret
    assert crypto.decrypt(row.secret, context=row.secret_context) == issued["secret"]
    shown = api.get(path(project))
    assert [each["id"] for each in shown.json()["secrets"]] == [issued["id"]]
    assert "whsec" not in shown.content.decode()
    entry = AuditEntry.objects.get(action="inbound.rotate_secret")
    assert entry.after == {"secrets": [row.pk]}
    assert "whsec" not in str(entry.__dict__)


def test_two_secrets_are_live_at_most(api: ApiClient, project: Project) -> None:
    ids = [api.post(path(project, "rotate-secret")).json()["id"] for _ in range(3)]
    now = timezone.now()
    live = selectors.live_secrets(project.pk, at=now)
    assert [row.pk for row in live] == [ids[2], ids[1]]
    later = selectors.live_secrets(project.pk, at=now + timedelta(hours=24, seconds=1))
    assert [row.pk for row in later] == [ids[2]]
    last = api.post(path(project, "rotate-secret"), {"overlap_hours": 0}).json()["id"]
    assert [row.pk for row in selectors.live_secrets(project.pk, at=now)] == [last]


def test_a_secret_is_revoked_at_once(
    api: ApiClient, other_api: ApiClient, project: Project, other_project: Project
) -> None:
    secret = api.post(path(project, "rotate-secret")).json()["id"]
    own = path(other_project, "secrets", secret, "revoke")
    assert other_api.post(own).status_code == 404
    assert other_api.post(path(project, "secrets", secret, "revoke")).status_code == 404
    answer = api.post(path(project, "secrets", secret, "revoke"), {"reason": "Leaked."})
    assert answer.json()["secrets"] == []
    assert AuditEntry.objects.get(action="inbound.revoke_secret").reason == "Leaked."


def test_only_operators_let_a_project_follow_the_stream(
    api: ApiClient, platform_api: ApiClient, project: Project
) -> None:
    assert api.patch(path(project), {"follows_stream": True}).status_code == 422
    assert not InboundSettings.objects.for_project(project).exists()
    assert api.patch(path(project), {"cancels_subscriptions": False}).status_code == 200
    body = platform_api.patch(path(project), {"follows_stream": True}).json()
    assert (body["follows_stream"], body["cancels_subscriptions"]) == (True, False)
    entries = AuditEntry.objects.filter(action="project.inbound").order_by("pk")
    assert [entry.after for entry in entries] == [
        {"cancels_subscriptions": False},
        {"follows_stream": True},
    ]
