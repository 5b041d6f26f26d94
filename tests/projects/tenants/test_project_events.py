"""Changes of a project and of its keys are events of the project."""

from datetime import timedelta

from django.utils import timezone

from projects.keys import api_keys
from projects.models import ApiKey, Project
from projects.tenants import projects
from tests.api_client import ApiClient
from tests.billing import outbox_events
from tests.factories.projects import key_of

ACTOR = "operator:ada"


def test_changed_settings_are_told_with_their_old_values(api: ApiClient, project: Project) -> None:
    api.patch(f"/projects/{project.pk}", {"grace_days": 5})
    api.patch(f"/projects/{project.pk}", {"grace_days": 5})
    assert outbox_events.types(project) == ["project.updated"]
    event = outbox_events.last(project, "project.updated")
    assert (event.previous, event.data["grace_days"]) == ({"grace_days": None}, 5)
    assert (event.subject, event.customer_id) == (project.pk, "")
    assert event.data == api.get(f"/projects/{project.pk}").json()


def test_a_suspension_and_its_end_are_told_once(project: Project) -> None:
    now = timezone.now()
    for service in (projects.suspend, projects.suspend, projects.resume, projects.resume):
        service(project=project, at=now, actor=ACTOR, reason="Unpaid.")
    assert outbox_events.types(project) == ["project.suspended", "project.resumed"]
    assert outbox_events.changed(project, "project.suspended") == {"suspended_at": None}


def test_a_rotated_key_is_told_with_its_successor_and_without_a_secret(project: Project) -> None:
    now = timezone.now()
    secret = key_of(project)
    key = ApiKey.objects.for_project(project).get()
    successor, new_secret = api_keys.rotate(
        key=key, at=now, overlap=timedelta(hours=1), actor=ACTOR
    )
    assert outbox_events.types(project) == ["api_key.rotated"]
    event = outbox_events.last(project, "api_key.rotated")
    assert (event.subject, event.data["rotated_to"]) == (key.pk, successor.pk)
    assert event.previous == {"expires_at": None, "rotated_to": None}
    assert secret not in str(event.data)
    assert new_secret not in str(event.data)


def test_a_revoked_key_is_told_once(project: Project) -> None:
    now = timezone.now()
    key_of(project)
    key = ApiKey.objects.for_project(project).get()
    for _ in range(2):
        api_keys.revoke(key=key, at=now, actor=ACTOR)
    assert outbox_events.types(project) == ["api_key.revoked"]
    assert outbox_events.changed(project, "api_key.revoked") == {"revoked_at": None}
