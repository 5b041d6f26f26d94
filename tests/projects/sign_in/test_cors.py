"""Browsers of a project's origins can read ``/billing/*``, without cookies."""

from typing import Any

import pytest
from django.utils import timezone

from projects.models import Project
from tests.api_client import ApiClient
from tests.factories.projects import ProjectFactory
from tests.projects.sign_in.tokens import Browser, sign_in

OWN, THEIRS, EVIL = "https://app.example.com", "https://b.example.com", "https://evil.example"
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture
def alice(api: ApiClient, project: Project) -> Browser:
    ProjectFactory.create(slug="other", return_origins=[THEIRS])
    sign_in(api, project)
    return Browser(project)


def preflight(origin: str, path: str = "/billing/subscription", method: str = "PATCH") -> Any:
    body = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,tollgate-project",
    }
    return ApiClient().request("OPTIONS", path, headers=body)


def cors(answer: Any) -> dict[str, str]:
    return {n: v for n, v in answer.headers.items() if n.lower().startswith("access-control")}


@pytest.mark.usefixtures("alice")
def test_a_preflight_is_answered_without_credentials() -> None:
    for origin in (OWN, THEIRS, EVIL):  # alike: it tells nobody whose origins we know
        answer = preflight(origin)
        assert (answer.status_code, answer.content) == (204, b"")
        assert {name.lower(): value for name, value in cors(answer).items()} == {
            "access-control-allow-origin": origin,
            "access-control-allow-headers": "authorization, content-type, idempotency-key, "
            "if-none-match, tollgate-project",
            "access-control-allow-methods": "GET, POST, PATCH, DELETE",
            "access-control-expose-headers": "retry-after, x-request-id, idempotent-replayed, "
            "etag, ratelimit, ratelimit-policy",
            "access-control-max-age": "3600",
        }
        assert "origin" in answer.headers["Vary"].lower()
    odd = ["null", "", "*", "http://app.example.com", "https://APP.example.com", "https://[",
           "a\x7f"]  # fmt: skip
    for origin in odd:
        assert cors(preflight(origin)) == {}, origin
    for path in ("/customers", "/projects", "/checkout", "/billing", "/billingx/plans"):
        assert cors(preflight(OWN, path)) == {}, path


def test_an_answer_is_readable_by_the_named_projects_origins(
    alice: Browser, project: Project, api: ApiClient
) -> None:
    def allowed(client: ApiClient, origin: str, path: str = "/billing/plans") -> Any:
        answer = client.get(path, headers={"Origin": origin})
        assert "Access-Control-Allow-Credentials" not in answer.headers
        return answer.headers.get(ALLOW)

    assert allowed(alice, OWN) == OWN
    assert allowed(alice, THEIRS) is None, "another project's"
    assert allowed(alice, EVIL) is None
    expired = Browser(project, token="x")
    assert allowed(expired, OWN) == OWN, "a front end can read why it was refused"
    assert allowed(ApiClient("x"), OWN) is None, "no project named"
    assert allowed(api, OWN, "/customers") is None
    assert ALLOW not in alice.get("/billing/plans").headers
    project.return_origins = [THEIRS]
    project.save()
    assert (allowed(alice, OWN), allowed(alice, THEIRS)) == (None, THEIRS)
    project.suspended_at = timezone.now()
    project.save()
    assert allowed(alice, THEIRS) is None
    assert preflight(OWN).headers[ALLOW] == OWN, "it depends on no project"
