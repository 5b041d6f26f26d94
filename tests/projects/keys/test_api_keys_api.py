"""``/api-keys`` issues, rotates and revokes keys within the issuer's scopes."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from events.models import AuditEntry
from projects.keys.credentials import ProjectCredential
from projects.keys.scopes import ALL_SCOPES, APP_SCOPES, PROJECT_ONLY_SCOPES
from projects.keys.selectors import credentials
from projects.models import ApiKey, App, Project
from tests.api_client import ApiClient
from tests.factories.projects import AppFactory, key_of
from tests.projects.keys.key_calls import KEYS_ONLY, START, newest


@pytest.fixture
def app(project: Project) -> App:
    return AppFactory.create(project=project)


def test_a_key_is_shown_once(api: ApiClient, project: Project) -> None:
    response = api.post(
        f"/projects/{project.pk}/keys", {"name": "CI", "scopes": ["entitlements:read"]}
    )

    assert response.status_code == 201
    secret = response.json()["secret"]
    http_response = api.get(f"/projects/{project.pk}/keys/{response.json()['id']}")
    assert "secret" not in http_response.json()
    assert secret not in api.get(f"/projects/{project.pk}/keys").content.decode()
    assert secret not in str(newest(project).__dict__)
    assert ApiClient(secret).get(f"/projects/{project.pk}/keys").status_code == 403


def test_a_key_hands_out_its_own_scopes_at_most(project: Project) -> None:
    client = ApiClient(key_of(project, scopes=KEYS_ONLY))

    same = client.post(f"/projects/{project.pk}/keys", {"name": "same", "scopes": KEYS_ONLY})
    assert same.json()["scopes"] == KEYS_ONLY
    more = client.post(
        f"/projects/{project.pk}/keys", {"name": "more", "scopes": ["keys:read", "admin:grant"]}
    )
    assert (more.status_code, more.json()["code"]) == (403, "scopes-exceeded")
    assert ApiKey.objects.for_project(project).count() == 2


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
def test_a_key_cannot_manage_a_stronger_key(project: Project, verb: str) -> None:
    strong = key_of(project)
    path = f"/projects/{project.pk}/keys/{newest(project).pk}/{verb}"
    before = AuditEntry.objects.count()

    answer = ApiClient(key_of(project, scopes=KEYS_ONLY)).post(path)

    assert (answer.status_code, answer.json()["code"]) == (403, "scopes-exceeded")
    assert ApiClient(strong).get("/projects").status_code == 200
    assert ApiKey.objects.for_project(project).filter(revoked_at__isnull=False).count() == 0
    assert AuditEntry.objects.count() == before


def test_a_key_manages_itself_and_its_equals(project: Project) -> None:
    client = ApiClient(key_of(project, scopes=KEYS_ONLY))
    own = newest(project).pk
    key_of(project, scopes=["keys:read"])
    weaker = newest(project).pk
    base = f"/projects/{project.pk}/keys"

    assert client.post(f"{base}/{weaker}/rotate").status_code == 201
    assert client.post(f"{base}/{weaker}/revoke").status_code == 200
    assert client.post(f"{base}/{own}/revoke").status_code == 200
    assert client.get(base).status_code == 401


def test_an_issued_key_expires_no_later_than_its_issuer(project: Project) -> None:
    with time_machine.travel(START, tick=False):
        key_of(project, scopes=KEYS_ONLY)
        endless = newest(project).pk
        client = ApiClient(key_of(project, expires_at=START + timedelta(hours=1)))
        base, body = f"/projects/{project.pk}/keys", {"name": "x", "scopes": KEYS_ONLY}

        assert client.post(base, body).json()["expires_at"] == "2026-11-21T10:30:00Z"
        earlier = client.post(base, {**body, "expires_at": "2026-11-21T10:00:00Z"})
        assert earlier.json()["expires_at"] == "2026-11-21T10:00:00Z"
        before = ApiKey.objects.for_project(project).count()
        later = client.post(base, {**body, "expires_at": "2026-11-21T10:30:01Z"})
        assert (later.status_code, later.json()["code"]) == (403, "expiry-exceeded")
        rotated = client.post(f"{base}/{endless}/rotate")
        assert (rotated.status_code, rotated.json()["code"]) == (403, "expiry-exceeded")
        assert ApiKey.objects.for_project(project).count() == before


@pytest.mark.parametrize("scope", sorted(PROJECT_ONLY_SCOPES))
def test_no_app_key_gets_project_scopes(
    api: ApiClient, platform_api: ApiClient, project: Project, app: App, scope: str
) -> None:
    path = f"/projects/{project.pk}/apps/{app.pk}/keys"
    for client in (api, platform_api):
        answer = client.post(path, {"name": "x", "scopes": ["keys:read", scope]})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/scopes")
    assert ApiKey.objects.for_project(project).filter(app=app).count() == 0


def test_the_platform_hands_out_every_scope(platform_api: ApiClient, project: Project) -> None:
    body = platform_api.post(
        f"/projects/{project.pk}/keys", {"name": "all", "scopes": ALL_SCOPES}
    ).json()

    assert body["scopes"] == ALL_SCOPES
    assert ApiClient(body["secret"]).get("/customers").status_code == 200


def test_a_revoked_key_opens_nothing_at_once(api: ApiClient, project: Project) -> None:
    body = api.post(f"/projects/{project.pk}/keys", {"name": "leaked", "scopes": ALL_SCOPES}).json()
    path = f"/projects/{project.pk}/keys/{body['id']}/revoke"

    first = api.post(path, {"reason": "found in a log"}).json()
    again = api.post(path).json()

    assert first["revoked_at"] is not None
    assert again == first
    assert ApiClient(body["secret"]).get("/projects").status_code == 401
    entry = AuditEntry.objects.filter(action="key.revoke").get()
    assert entry.reason == "found in a log"


def test_an_expired_key_opens_nothing(api: ApiClient, project: Project) -> None:
    with time_machine.travel(START, tick=False) as clock:
        response = ApiClient(key_of(project)).post(
            f"/projects/{project.pk}/keys",
            {"name": "trial", "scopes": ALL_SCOPES, "expires_at": "2026-11-21T10:30:00Z"},
        )
        client = ApiClient(response.json()["secret"])
        clock.shift(timedelta(minutes=59, seconds=59))
        assert client.get("/projects").status_code == 200
        clock.shift(timedelta(seconds=1))
        assert client.get("/projects").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "scopes": ["platform"]},
        {"name": "x", "scopes": KEYS_ONLY, "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "scopes": KEYS_ONLY, "expires_at": "soon"},
        {"name": "x", "scopes": KEYS_ONLY, "secret": "tg_test_" + "a" * 43},
    ],
)
def test_a_wrong_key_request_makes_no_key(
    api: ApiClient, project: Project, body: dict[str, Any]
) -> None:
    assert api.post(f"/projects/{project.pk}/keys", body).status_code == 422
    assert ApiKey.objects.for_project(project).count() == 1


def test_an_app_key_manages_keys_of_its_own_app_only(project: Project, app: App) -> None:
    other = AppFactory.create(project=project)
    client = ApiClient(key_of(project, app=app, scopes=APP_SCOPES))
    base = f"/projects/{project.pk}"
    elsewhere = newest(project).pk

    body = client.post(f"{base}/keys", {"name": "second", "scopes": KEYS_ONLY}).json()
    assert body["app"] == app.pk
    assert (
        client.post(
            f"{base}/apps/{app.pk}/keys", {"name": "third", "scopes": KEYS_ONLY}
        ).status_code
        == 201
    )
    assert (
        client.post(f"{base}/apps/{other.pk}/keys", {"name": "x", "scopes": KEYS_ONLY}).status_code
        == 404
    )
    key_of(project)
    foreign = newest(project).pk
    assert elsewhere != foreign
    assert client.post(f"{base}/keys/{foreign}/revoke").status_code == 404
    assert {row["app"] for row in client.get(f"{base}/keys").json()["data"]} == {app.pk}


def test_a_project_scope_on_an_app_key_opens_nothing(project: Project, app: App) -> None:
    """Such as a key from before that rule, which a process of the last version has written."""
    secret = key_of(project, app=app, scopes=["keys:read"])
    ApiKey.objects.for_project(project).filter(app=app).update(scopes=ALL_SCOPES)

    credential = credentials.find(secret=secret, at=START)

    assert isinstance(credential, ProjectCredential)
    assert credential.scopes == frozenset(APP_SCOPES)


def test_the_keys_of_an_archived_app_open_nothing(
    api: ApiClient, project: Project, app: App
) -> None:
    path = f"/projects/{project.pk}/apps/{app.pk}"
    body = api.post(f"{path}/keys", {"name": "app", "scopes": ["project:read"]}).json()
    client = ApiClient(body["secret"])
    assert client.get("/projects").status_code == 200

    assert api.patch(path, {"archived": True}).json()["archived_at"] is not None
    assert client.get("/projects").status_code == 401
    refused = api.post(f"{path}/keys", {"name": "late", "scopes": KEYS_ONLY})
    assert (refused.status_code, refused.json()["code"]) == (409, "app-archived")

    assert api.patch(path, {"archived": False}).json()["archived_at"] is None
    assert client.get("/projects").status_code == 200


def test_a_neighbours_keys_are_not_found(
    api: ApiClient, project: Project, other_project: Project
) -> None:
    key_of(other_project)
    key = newest(other_project)

    assert api.get(f"/projects/{other_project.pk}/keys").status_code == 404
    assert api.get(f"/projects/{project.pk}/keys/{key.pk}").status_code == 404
    assert api.post(f"/projects/{project.pk}/keys/{key.pk}/revoke").status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


def test_last_use_is_kept_to_the_minute(project: Project) -> None:
    with time_machine.travel(START, tick=False) as clock:
        client = ApiClient(key_of(project))
        client.get("/projects")
        assert newest(project).last_used_at == START
        clock.shift(timedelta(seconds=59))
        client.get("/projects")
        assert newest(project).last_used_at == START
        clock.shift(timedelta(seconds=1))
        client.get("/projects")
        assert newest(project).last_used_at == START + timedelta(minutes=1)
