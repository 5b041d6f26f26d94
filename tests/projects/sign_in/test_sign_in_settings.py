"""A project configures how its users sign in; its secret is never shown."""

from typing import Any

from common import crypto
from events.models import AuditEntry
from projects.models import JwtSettings, Project
from tests.api_client import ApiClient
from tests.projects.sign_in.tokens import AUDIENCE, ISSUER, SECRET, sign_in

KEYS = "https://id.example.com/jwks.json"
PRIVATE = (
    "10.0.0.1",
    "127.0.0.1:8443",
    "169.254.169.254",
    "192.168.1.1.",
    "[::1]",
    "[fd00::1]",
    "[::ffff:10.0.0.1]",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "010.0.0.1",
    "localhost",
    "keys.localhost",
    "vault",
    "vault.internal",
    "printer.local",
)
"""Hosts that need no look-up to be refused."""


def settings_body(**fields: Any) -> dict[str, Any]:
    usual = {"jwks_url": None, "has_shared_secret": False, "issuer": ISSUER, "audience": AUDIENCE}
    return {**usual, **fields}


def test_a_project_sets_keys_or_a_secret_and_removes_them(api: ApiClient, project: Project) -> None:
    path = f"/projects/{project.pk}"
    assert api.get(path).json()["jwt"] is None
    by_secret = settings_body(has_shared_secret=True, algorithms=["HS256"])
    answer = sign_in(api, project)
    assert answer.json()["jwt"] == api.get(path).json()["jwt"] == by_secret
    assert api.get("/projects").json()["data"][0]["jwt"] == by_secret
    row = JwtSettings.objects.for_project(project).get()
    assert SECRET not in row.shared_secret
    assert crypto.decrypt(row.shared_secret, context=row.secret_context) == SECRET

    sign_in(api, project, issuer="https://new/", algorithms=["HS512", "HS256", "HS512"])
    kept = JwtSettings.objects.for_project(project).get()
    assert (kept.shared_secret, kept.issuer) == (row.shared_secret, "https://new/")
    assert kept.algorithms == ["HS512", "HS256"]

    by_keys = settings_body(jwks_url=KEYS, algorithms=["RS256", "ES256", "EdDSA"])
    assert sign_in(api, project, jwks_url=KEYS).json()["jwt"] == by_keys
    assert JwtSettings.objects.for_project(project).get().shared_secret == ""
    assert api.patch(path, {"name": "Acme 2"}).json()["jwt"] == by_keys
    assert api.patch(path, {"jwt": None}).json()["jwt"] is None
    assert api.patch(path, {"jwt": None}).json()["jwt"] is None
    assert not JwtSettings.objects.for_project(project).exists()

    entries = AuditEntry.objects.filter(action="project.sign_in").order_by("pk")
    assert len(entries) == 4
    assert (entries[0].before, entries[0].after) == ({}, by_secret | {"jwks_url": ""})
    assert entries[3].after == {}
    assert SECRET not in str([[each.before, each.after] for each in entries])


def test_unsafe_settings_are_refused(api: ApiClient, project: Project) -> None:
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "#/jwt"),
        ({"jwks_url": KEYS, "shared_secret": SECRET}, "#/jwt"),
        ({"shared_secret": "s" * 31}, "#/jwt/shared_secret"),
        ({"shared_secret": "s" * 32, "algorithms": ["HS512"]}, "#/jwt/shared_secret"),
        ({"shared_secret": SECRET, "algorithms": ["RS256"]}, "#/jwt/algorithms"),
        ({"jwks_url": KEYS, "algorithms": ["HS256"]}, "#/jwt/algorithms"),
        ({"jwks_url": KEYS, "algorithms": ["RS256", "HS256"]}, "#/jwt/algorithms"),
        ({"jwks_url": KEYS, "algorithms": ["none"]}, "#/jwt/algorithms/0"),
        ({"jwks_url": KEYS, "algorithms": []}, "#/jwt/algorithms"),
        *(({"jwks_url": f"https://{host}/keys"}, "#/jwt/jwks_url") for host in PRIVATE),
        ({"jwks_url": "http://id.example.com/"}, "#/jwt/jwks_url"),
        ({"jwks_url": "https://[::1]/"}, "#/jwt/jwks_url"),
        ({"jwks_url": "file:///etc/passwd"}, "#/jwt/jwks_url"),
        ({"jwks_url": "https://user:pw@id.example.com/"}, "#/jwt/jwks_url"),
        ({"jwks_url": KEYS, "issuer": ""}, "#/jwt/issuer"),
        ({"jwks_url": KEYS, "surprise": 1}, "#/jwt/surprise"),
    )
    for fields, pointer in refused:
        body = {"jwt": {"issuer": ISSUER, "audience": AUDIENCE, **fields}}
        answer = api.patch(f"/projects/{project.pk}", body)
        assert answer.status_code == 422, fields
        [error] = answer.json()["errors"]
        assert error["pointer"] == pointer, fields
        assert SECRET not in answer.content.decode()
    assert api.patch(f"/projects/{project.pk}", {"jwt": []}).status_code == 422
    assert not JwtSettings.objects.for_project(project).exists()
    assert not AuditEntry.objects.filter(action="project.sign_in").exists()


def test_a_refusal_changes_nothing_else(api: ApiClient, project: Project) -> None:
    body = {"name": "New", "jwt": {"issuer": ISSUER, "audience": AUDIENCE}}
    assert api.patch(f"/projects/{project.pk}", body).status_code == 422
    project.refresh_from_db()
    assert project.name == "Acme"


def test_a_project_is_registered_with_its_sign_in(platform_api: ApiClient) -> None:
    how = {"issuer": ISSUER, "audience": AUDIENCE, "shared_secret": SECRET}
    answer = platform_api.post(
        "/projects", {"name": "New", "jwt": how, "grace_days": 7, "automatic_tax": True}
    )
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert body["jwt"] == settings_body(has_shared_secret=True, algorithms=["HS256"])
    assert (body["grace_days"], body["automatic_tax"]) == (7, True)
    assert SECRET not in answer.content.decode()
    own = ApiClient(body["key"]["secret"])
    assert own.patch(f"/projects/{body['id']}", {"grace_days": None}).json()["grace_days"] is None
    assert own.patch(f"/projects/{body['id']}", {"grace_days": -1}).status_code == 422
