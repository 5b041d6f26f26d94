"""Rotating a key leaves its scopes, its expiry and at most two live secrets."""

from datetime import timedelta

import time_machine

from projects.keys.scopes import ALL_SCOPES
from projects.models import ApiKey, PlatformKey, Project
from tests.api_client import ApiClient
from tests.factories.projects import key_of
from tests.projects.keys.key_calls import KEYS_ONLY, START, newest


def test_rotation_is_no_way_to_more_scopes(api: ApiClient, project: Project) -> None:
    strong = api.post(
        f"/projects/{project.pk}/keys", {"name": "strong", "scopes": ALL_SCOPES}
    ).json()
    weak = ApiClient(key_of(project, scopes=KEYS_ONLY))

    answer = weak.post(f"/projects/{project.pk}/keys/{strong['id']}/rotate")

    assert (answer.status_code, answer.json()["code"]) == (403, "scopes-exceeded")
    assert ApiClient(strong["secret"]).get("/projects").status_code == 200


def test_a_rotated_key_leaves_nothing_behind_that_outlives_it(project: Project) -> None:
    with time_machine.travel(START, tick=False) as clock:
        client = ApiClient(key_of(project))
        base = f"/projects/{project.pk}/keys"
        client.post(f"{base}/{newest(project).pk}/rotate", {"overlap_hours": 1})

        body = client.post(base, {"name": "x", "scopes": KEYS_ONLY}).json()

        assert body["expires_at"] == "2026-11-21T10:30:00Z"
        clock.shift(timedelta(hours=1))
        assert ApiClient(body["secret"]).get(base).status_code == 401


def test_rotating_does_not_extend_a_key(project: Project) -> None:
    expires_at = START + timedelta(minutes=30)
    with time_machine.travel(START, tick=False):
        client = ApiClient(key_of(project, expires_at=expires_at))
        old = newest(project)
        rotated = client.post(f"/projects/{project.pk}/keys/{old.pk}/rotate", {"overlap_hours": 1})

    old.refresh_from_db()
    assert old.expires_at == expires_at
    assert rotated.json()["expires_at"] == "2026-11-21T10:00:00Z"


def test_two_keys_are_live_while_rotating(platform_api: ApiClient, project: Project) -> None:
    with time_machine.travel(START, tick=False) as clock:
        platform_key = PlatformKey.objects.get()
        assert platform_key.is_live(START)
        old = platform_api.post(
            f"/projects/{project.pk}/keys", {"name": "back end", "scopes": ALL_SCOPES}
        ).json()
        new = platform_api.post(
            f"/projects/{project.pk}/keys/{old['id']}/rotate", {"overlap_hours": 2}
        ).json()
        both = [ApiClient(old["secret"]), ApiClient(new["secret"])]
        assert [client.get("/projects").status_code for client in both] == [200, 200]
        body = platform_api.get(f"/projects/{project.pk}/keys/{old['id']}").json()
        assert body["rotated_to"] == new["id"]
        assert body["expires_at"] == "2026-11-21T11:30:00Z"
        clock.shift(timedelta(hours=2))
        assert [client.get("/projects").status_code for client in both] == [401, 200]


def test_a_key_is_rotated_once(platform_api: ApiClient, project: Project) -> None:
    old = platform_api.post(
        f"/projects/{project.pk}/keys", {"name": "back end", "scopes": ALL_SCOPES}
    ).json()
    path = f"/projects/{project.pk}/keys/{old['id']}/rotate"

    assert platform_api.post(path).status_code == 201
    again = platform_api.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "key-revoked")
    assert ApiKey.objects.for_project(project).count() == 2
