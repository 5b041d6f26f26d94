"""``GET /billing/plans`` answers everybody about a project that shows its plans; caches keep it."""

import re
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from common.ids import new_id
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import HOME, Tenant
from tests.factories.projects import key_of
from tests.projects.sign_in.tokens import Browser, signed

PK = "pk_test_51PublishableKey"
PRIVATE = ("stripe_id", "metadata", "nickname", "policy", "prod_Stripe", "internal", "active")
"""Names and values that only the project's own people may read."""


@pytest.fixture
def address(project: Project) -> str:
    return f"/billing/projects/{project.pk}/plans"


def ask(project_id: str, **kwargs: Any) -> Any:
    """Ask without a token, with the project in the header."""
    headers = {"Tollgate-Project": project_id, **kwargs.pop("headers", {})}
    return ApiClient().get("/billing/plans", headers=headers, **kwargs)


def switch_off(project: Project) -> None:
    api = ApiClient(key_of(project))
    answer = api.patch(f"/projects/{project.pk}", {"public_plans": False})
    assert (answer.status_code, answer.json()["public_plans"]) == (200, False)


def test_a_stranger_reads_what_a_buyer_has_to_know(
    tenant: Tenant, project: Project, plans: list[dict[str, Any]], address: str
) -> None:
    pro, _ = plans
    for answer in (ask(project.pk), ApiClient().get(address)):
        body = answer.json()
        assert (answer.status_code, body["has_more"], body["publishable_key"]) == (200, False, None)
        assert [plan["name"] for plan in body["data"]] == ["Team", "Pro"]
        assert body["data"][1] == {
            "id": pro["product"],
            "name": "Pro",
            "description": "",
            "custom_price": False,
            "features": [{"feature": "agents", "kind": "limit", "value": 5}],
            "credits": None,
            "prices": [
                {
                    "id": pro["id"],
                    "unit_amount": {"amount": 2900, "currency": "usd"},
                    "interval": "month",
                    "interval_count": 1,
                    "meter": None,
                }
            ],
        }


def test_a_user_reads_the_same_as_a_stranger(
    alice: Browser, project: Project, plans: list[dict[str, Any]]
) -> None:
    assert alice.get("/billing/plans").content == ask(project.pk).content


def test_nothing_private_and_nothing_archived_is_shown(
    tenant: Tenant, project: Project, plans: list[dict[str, Any]], address: str
) -> None:
    pro, team = plans
    secret_word: dict[str, Any] = {"metadata": {"note": "internal"}}
    hidden = tenant.product("Hidden", **secret_word)
    tenant.price(hidden, 100, nickname="internal", **secret_word)
    agreed = tenant.product("Enterprise", custom_price=True, **secret_word)
    tenant.price(agreed, 999_900, nickname="internal")
    tenant.price(tenant.product("Once"), 500, interval=None)
    tenant.api.patch(f"/products/{hidden['id']}", {"active": False})
    tenant.api.patch(f"/prices/{team['id']}", {"active": False})
    tenant.price({"id": pro["product"]}, 500, nickname="internal", **secret_word)

    text = ApiClient().get(address).content.decode()
    assert text == ask(project.pk).content.decode()
    shown = {
        plan["name"]: [price["unit_amount"]["amount"] for price in plan["prices"]]
        for plan in ApiClient().get(address).json()["data"]
    }
    assert shown == {"Enterprise": [], "Pro": [500, 2900]}
    assert [word for word in PRIVATE if word in text] == []
    assert re.search(r"acc_|acct_|prj_|cus_|sk_|whsec_", text) is None


def test_another_projects_plans_are_not_shown(
    neighbour: Tenant, other_project: Project, project: Project, plans: Any
) -> None:
    neighbour.price(neighbour.product("Theirs"))
    assert "Theirs" not in ask(project.pk).content.decode()
    assert [plan["name"] for plan in ask(other_project.pk).json()["data"]] == ["Theirs"]


def test_a_project_that_shows_nothing_is_answered_like_a_project_that_does_not_exist(
    project: Project, other_project: Project, plans: Any
) -> None:
    switch_off(project)
    other_project.suspended_at = timezone.now()
    other_project.save()
    names = [project.pk, other_project.pk, new_id("prj"), "prj_x", "x\x7f", "", f"{project.pk}x"]
    bodies = set()
    for project_id in names:
        answer = ask(project_id)
        assert answer.status_code == 404, project_id
        bodies.add(re.sub(r'"request_id":"[^"]*"', "", answer.content.decode()))
        assert "public" not in answer.headers.get("Cache-Control", "")
    assert len(bodies) == 1
    in_path = {
        re.sub(
            r'"request_id":"[^"]*"',
            "",
            ApiClient().get(f"/billing/projects/{project_id}/plans").content.decode(),
        )
        for project_id in names[:3]
    }
    assert in_path == bodies


def test_a_project_that_switched_it_off_shows_its_plans_to_its_users(
    alice: Browser, project: Project
) -> None:
    switch_off(project)
    answer = alice.get("/billing/plans")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_a_token_that_is_sent_is_verified(alice: Browser, project: Project) -> None:
    refused = {
        key: (answer.status_code, answer.json()["code"])
        for key in (signed(exp=1), signed(secret="x" * 64), key_of(project))
        for answer in [ask(project.pk, headers={"Authorization": f"Bearer {key}"})]
    }
    assert sorted(refused.values()) == [
        (401, "token-expired"),
        (401, "token-malformed"),
        (401, "token-unverified"),
    ]
    unnamed = ApiClient().get("/billing/plans")
    assert (unnamed.status_code, unnamed.json()["code"]) == (401, "token-required")


def test_no_other_address_is_open_to_strangers(project: Project, address: str) -> None:
    named = {"Tollgate-Project": project.pk}
    for path in ("/billing/subscription", "/billing/invoices", "/billing/usage", "/plans"):
        assert ApiClient().get(path, headers=named).status_code == 401
    for method in ("POST", "PATCH", "DELETE", "PUT"):
        for path in (address, "/billing/plans"):
            assert ApiClient().request(method, path, {}, headers=named).status_code == 405


def test_an_answer_can_be_cached_and_asked_for_again(
    tenant: Tenant, project: Project, plans: list[dict[str, Any]], address: str
) -> None:
    first = ask(project.pk)
    assert first.headers["Cache-Control"] == "public, max-age=60"
    varies = {name.strip().lower() for name in first.headers["Vary"].split(",")}
    assert {"origin", "authorization", "tollgate-project"} <= varies
    by_path = ApiClient().get(address)
    assert by_path.headers["Vary"].lower() == "origin", "no header of the request decides"
    assert by_path.headers["ETag"] == first.headers["ETag"]

    conditional = {"If-None-Match": first.headers["ETag"]}
    for answer in (
        ask(project.pk, headers=conditional),
        ApiClient().get(address, headers=conditional),
    ):
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == first.headers["ETag"]
        assert answer.headers["Cache-Control"] == "public, max-age=60"
    other_query = ask(project.pk, query={"currency": "eur"}, headers=conditional)
    assert (other_query.status_code, other_query.json()["data"]) == (200, [])

    tenant.api.patch(f"/products/{plans[0]['product']}", {"name": "Pro+"})
    changed = ApiClient().get(address, headers=conditional)
    assert (changed.status_code, changed.json()["data"][1]["name"]) == (200, "Pro+")
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_pages_of_the_projects_own_origins_can_read_it(
    project: Project, plans: Any, address: str
) -> None:
    allowed = {}
    for origin in (HOME, "https://evil.example"):
        for path in (address, "/billing/plans"):
            headers = {"Origin": origin, "Tollgate-Project": project.pk}
            answer = ApiClient().get(path, headers=headers)
            assert "Access-Control-Allow-Credentials" not in answer.headers
            allowed[origin, path] = answer.headers.get("Access-Control-Allow-Origin")
            assert "Set-Cookie" not in answer.headers
    assert allowed == {
        (HOME, address): HOME,
        (HOME, "/billing/plans"): HOME,
        ("https://evil.example", address): None,
        ("https://evil.example", "/billing/plans"): None,
    }
    unnamed = ApiClient().get(address, headers={"Origin": HOME})
    assert unnamed.headers["Access-Control-Allow-Origin"] == HOME, "the path names the project"
    conditional = {"Origin": HOME, "If-None-Match": unnamed.headers["ETag"]}
    unchanged = ApiClient().get(address, headers=conditional)
    assert unchanged.status_code == 304
    assert unchanged.headers["Access-Control-Allow-Origin"] == HOME
    assert "etag" in unchanged.headers["Access-Control-Expose-Headers"]


def test_it_takes_a_fixed_number_of_queries_and_no_write(
    tenant: Tenant, project: Project, plans: list[dict[str, Any]], address: str
) -> None:
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert ApiClient().get(address).status_code == 200
        counts.append(len(queries))
        assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
        for name in ("A", "B", "C"):
            tenant.price(tenant.product(name))
    assert counts[0] == counts[1] <= 6


def test_it_brings_the_publishable_key_of_the_projects_account(
    project: Project, plans: Any, settings: Settings, address: str
) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_publishable_key=PK)
    assert ApiClient().get(address).json()["publishable_key"] == PK
    live = "pk_live_51PublishableKey"
    settings.BILLING = replace(settings.BILLING, stripe_publishable_key=live)
    assert ApiClient().get(address).json()["publishable_key"] is None, "it is of the other mode"
