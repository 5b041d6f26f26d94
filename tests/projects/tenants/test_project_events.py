"""Changes of a project, of its apps and of its keys are events of the project."""

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
    assert outbox_events.types(project) == ["api_key.created", "api_key.rotated"]
    created = outbox_events.last(project, "api_key.created")
    assert (created.subject, created.data["scopes"]) == (successor.pk, key.scopes)
    assert new_secret not in str(created.data)
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


def test_a_key_that_a_key_issues_is_told(api: ApiClient, project: Project) -> None:
    """Who steals a key and makes itself another one is seen."""
    issued = api.post(f"/projects/{project.pk}/keys", {"name": "CI", "scopes": ["events:read"]})
    body = issued.json()
    secret = body.pop("secret")
    assert outbox_events.types(project) == ["api_key.created"]
    event = outbox_events.last(project, "api_key.created")
    assert (event.data, event.previous) == (body, {})
    assert secret not in str(event.data)


def test_an_app_is_told_when_it_is_created_renamed_archived_and_restored(
    api: ApiClient, project: Project
) -> None:
    path = f"/projects/{project.pk}/apps"
    app = api.post(path, {"name": "Reports"}).json()
    for change in ({"name": "Figures"}, {"archived": True}, {"archived": True}):
        api.patch(f"{path}/{app['id']}", change)
    restored = api.patch(f"{path}/{app['id']}", {"archived": False}).json()
    assert outbox_events.types(project) == [
        "app.created",
        "app.updated",
        "app.archived",
        "app.updated",
    ]
    created, renamed, archived, last = outbox_events.events(project)
    assert (created.data, created.previous) == (app, {})
    assert (renamed.previous, renamed.data["name"]) == ({"name": "Reports"}, "Figures")
    assert archived.previous == {"archived_at": None}
    assert (last.data, last.previous) == (
        restored,
        {"archived_at": archived.data["archived_at"]},
    )
