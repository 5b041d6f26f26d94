"""``/projects`` registers, configures and suspends projects."""

from typing import Any

import pytest

from events.models import AuditEntry
from projects.keys.scopes import ALL_SCOPES
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.factories.projects import ProjectFactory, key_of


def test_a_name_is_enough_to_register_and_call(platform_api: ApiClient) -> None:
    answer = platform_api.post("/projects", {"name": "Acme Notes"})

    assert answer.status_code == 201
    body = answer.json()
    assert body["detected"] == {
        "slug": "acme-notes",
        "livemode": False,
        "sells": ["subscription", "item", "cart"],
        "default_currency": "usd",
    }
    assert (body["slug"], body["default_currency"]) == ("acme-notes", "usd")
    assert body["key"]["secret"].startswith("tg_test_")
    assert body["key"]["scopes"] == ALL_SCOPES
    itself = ApiClient(body["key"]["secret"]).get("/projects").json()
    assert [row["id"] for row in itself["data"]] == [body["id"]]


def test_given_settings_are_not_detected(platform_api: ApiClient) -> None:
    body = platform_api.post(
        "/projects",
        {
            "name": "Acme",
            "slug": "acme-live",
            "livemode": True,
            "sells": ["item"],
            "default_currency": "eur",
            "return_origins": ["https://App.example.com/", "https://app.example.com"],
        },
    ).json()

    assert body["detected"] == {}
    assert body["livemode"] is True
    assert body["return_origins"] == ["https://app.example.com"]
    assert body["key"]["secret"].startswith("tg_live_")


def test_a_second_project_of_the_same_name_gets_a_slug_of_its_own(
    platform_api: ApiClient,
) -> None:
    first = platform_api.post("/projects", {"name": "Acme"}).json()
    second = platform_api.post("/projects", {"name": "Acme"}).json()

    assert first["slug"] == "acme"
    assert second["slug"].startswith("acme-")


def test_a_name_without_latin_letters_still_gets_a_slug(platform_api: ApiClient) -> None:
    assert platform_api.post("/projects", {"name": "東京"}).json()["slug"] == "project"


def test_a_requested_slug_is_used_or_refused(platform_api: ApiClient, project: Project) -> None:
    answer = platform_api.post("/projects", {"name": "Other", "slug": project.slug})

    assert (answer.status_code, answer.json()["code"]) == (409, "slug-taken")
    assert Project.objects.count() == 1


def test_a_project_learns_of_no_other_by_its_slug(
    api: ApiClient, platform_api: ApiClient, project: Project, other_project: Project
) -> None:
    path = f"/projects/{project.pk}"
    answers = [
        api.patch(path, {"name": "New", "slug": slug}) for slug in (other_project.slug, "nobodys")
    ]

    assert [answer.status_code for answer in answers] == [422, 422]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]
    assert api.get(path).json()["name"] == project.name
    assert api.patch(path, {"name": "New", "slug": project.slug}).json()["name"] == "New"
    taken = platform_api.patch(path, {"slug": other_project.slug})
    assert (taken.status_code, taken.json()["code"]) == (409, "slug-taken")
    assert platform_api.patch(path, {"slug": "free"}).json()["slug"] == "free"


def test_registering_leaves_an_audit_entry_without_the_secret(platform_api: ApiClient) -> None:
    body = platform_api.post("/projects", {"name": "Acme"}).json()

    entries = AuditEntry.objects.filter(project_id=body["id"]).order_by("id")
    assert [entry.action for entry in entries] == ["project.register", "key.issue"]
    assert {entry.actor for entry in entries} == {entries[0].actor}
    assert entries[0].actor.startswith("key:key_")
    assert body["key"]["secret"] not in str([entry.after for entry in entries])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": ""}, "#/name"),
        ({"name": "x" * 121}, "#/name"),
        ({"name": "Acme", "slug": "Not A Slug"}, "#/slug"),
        ({"name": "Acme", "sells": []}, "#/sells"),
        ({"name": "Acme", "sells": ["lemonade"]}, "#/sells/0"),
        ({"name": "Acme", "default_currency": "dollars"}, "#/default_currency"),
        ({"name": "Acme", "livemode": "perhaps"}, "#/livemode"),
        ({"name": "Acme", "return_origins": ["http://example.com"]}, "#/return_origins"),
        ({"name": "Acme", "owner": "me"}, "#/owner"),
    ],
)
def test_a_wrong_registration_names_the_field(
    platform_api: ApiClient, body: dict[str, Any], pointer: str
) -> None:
    answer = platform_api.post("/projects", body)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert Project.objects.count() == 0


def test_a_projects_own_key_registers_nothing(api: ApiClient) -> None:
    answer = api.post("/projects", {"name": "Mine too"})

    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert Project.objects.count() == 1


def test_the_platform_lists_every_project_in_pages(platform_api: ApiClient) -> None:
    new_ids = [ProjectFactory.create().pk for _ in range(3)]

    first = platform_api.get("/projects", query={"limit": "2"}).json()
    assert [row["id"] for row in first["data"]] == sorted(new_ids, reverse=True)[:2]
    assert first["has_more"] is True
    last = platform_api.get(first["next"]).json()
    assert [row["id"] for row in last["data"]] == [min(new_ids)]
    assert (last["next"], last["has_more"]) == (None, False)


def test_a_project_configures_itself(api: ApiClient, project: Project) -> None:
    answer = api.patch(
        f"/projects/{project.pk}",
        {"name": "Acme Ltd", "return_origins": ["http://localhost:3000/"]},
    )

    assert answer.status_code == 200
    assert answer.json()["name"] == "Acme Ltd"
    assert api.get(f"/projects/{project.pk}").json()["return_origins"] == ["http://localhost:3000"]
    entry = AuditEntry.objects.filter(action="project.configure").get()
    assert entry.before == {"name": "Acme", "return_origins": ["https://app.example.com"]}
    assert entry.after == {"name": "Acme Ltd", "return_origins": ["http://localhost:3000"]}


def test_a_change_without_effect_is_not_audited(api: ApiClient, project: Project) -> None:
    assert api.patch(f"/projects/{project.pk}", {"name": project.name}).status_code == 200
    assert not AuditEntry.objects.filter(action="project.configure").exists()


def test_the_mode_of_a_project_cannot_change(api: ApiClient, project: Project) -> None:
    answer = api.patch(f"/projects/{project.pk}", {"livemode": True})

    assert answer.status_code == 422
    assert not Project.objects.get().livemode


def test_another_project_is_not_found(
    api: ApiClient, other_project: Project, platform_api: ApiClient
) -> None:
    before = platform_api.get(f"/projects/{other_project.pk}").json()

    assert api.get(f"/projects/{other_project.pk}").status_code == 404
    assert api.patch(f"/projects/{other_project.pk}", {"name": "Mine"}).status_code == 404
    assert platform_api.get(f"/projects/{other_project.pk}").json() == before


def test_a_suspended_project_is_shut_out_and_let_in_again(
    project: Project, platform_api: ApiClient
) -> None:
    client = ApiClient(key_of(project))
    path, reason = f"/projects/{project.pk}", {"reason": "Unpaid."}

    suspended = platform_api.post(f"{path}/suspend", reason)
    assert suspended.json()["suspended_at"] is not None
    assert platform_api.post(f"{path}/suspend", reason).json() == suspended.json()
    for method, address in (("GET", path), ("POST", "/customers"), ("DELETE", "/customers/u1")):
        for headers in ({}, {"Idempotency-Key": "k"}):
            answer = client.request(method, address, {"user_id": "u1"}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "project-suspended")
    check = client.get("/entitlements/check", query={"user_id": "u1", "feature": "x"})
    assert (check.status_code, check.json()["code"]) == (403, "project-suspended")
    assert Customer.objects.for_project(project).count() == 0

    assert platform_api.post(f"{path}/resume", reason).json()["suspended_at"] is None
    assert platform_api.post(f"{path}/resume", reason).status_code == 200
    assert client.post("/customers", {"user_id": "u1"}).status_code == 201
    entries = AuditEntry.objects.filter(subject=project.pk).order_by("pk")
    assert [(each.action, each.reason) for each in entries] == [
        ("project.suspend", "Unpaid."),
        ("project.resume", "Unpaid."),
    ]


def test_a_suspension_needs_a_reason_and_the_platform(
    api: ApiClient, platform_api: ApiClient, project: Project
) -> None:
    path = f"/projects/{project.pk}/suspend"
    assert platform_api.post(path).status_code == 422
    assert api.post(path, {"reason": "Mine."}).status_code == 403
    project.refresh_from_db()
    assert project.suspended_at is None


def test_a_temporal_namespace_belongs_to_one_project(
    api: ApiClient, platform_api: ApiClient, project: Project, other_project: Project
) -> None:
    """Only operators set it: a project that names another's namespace could signal there."""
    own, others = f"/projects/{project.pk}", f"/projects/{other_project.pk}"
    refused = api.patch(own, {"workflow_namespace": "acme"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (
        422,
        "#/workflow_namespace",
    )
    assert platform_api.patch(own, {"workflow_namespace": "acme"}).json()["workflow_namespace"] == (
        "acme"
    )
    taken = platform_api.patch(others, {"workflow_namespace": "acme"})
    assert (taken.status_code, taken.json()["code"]) == (409, "workflow-namespace-taken")
    assert platform_api.patch(others, {"workflow_namespace": "a b"}).status_code == 422
    taken = platform_api.post("/projects", {"name": "New", "workflow_namespace": "acme"})
    assert (taken.status_code, taken.json()["code"]) == (409, "workflow-namespace-taken")
    assert platform_api.patch(own, {"workflow_namespace": ""}).status_code == 200
    assert platform_api.patch(others, {"workflow_namespace": "acme"}).status_code == 200
