"""Silent and slow connections delay nobody else."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings

from billing.accounts import service as stripe_accounts
from config.server.files import allow_many_files
from projects.models import Project
from tests.factories.entitlements import FeatureFactory
from tests.factories.projects import key_of
from tests.sandbox_stripe import SandboxStripe
from tests.server.web_server import Answer, answer, head, open_sockets, request, web_server
from tests.webhooks.stripe_post import PATH as WEBHOOK
from tests.webhooks.stripe_post import event, sign

pytestmark = pytest.mark.django_db(transaction=True)
CHECK = "/api/v1/entitlements/check"
CONSUME = "/api/v1/entitlements/consume"
WRONG = "Bearer tg_test_" + "a" * 43
DRIBBLING, SILENT, TURNS = 500, 1500, 20


@pytest.fixture
def port(project: Project, stripe: SandboxStripe, tmp_path: Path) -> Iterator[int]:
    allow_many_files()
    stripe_accounts.platform_endpoint()
    FeatureFactory.create(project=project, code="sso")
    with web_server(tmp_path / "web.log") as port:
        yield port


def check_everything(port: int, key: str, turns: int = TURNS) -> None:
    """What has to go on: checks, uses, signed events and the probe, all answered right."""
    bearer = f"Bearer {key}"
    question = json.dumps({"checks": [{"user_id": "ada", "feature": "sso"}]}).encode()
    use = json.dumps({"user_id": "ada", "feature": "nothing"}).encode()
    for number in range(turns):
        one = request(port, "GET", f"{CHECK}?user_id=ada&feature=sso", Authorization=bearer)
        assert (one.status, one.json()["reason"]) == (200, "not_entitled")
        many = request(port, "POST", CHECK, question, Authorization=bearer)
        assert many.status == 200, many.body
        assert (many.status, many.json()["data"][0]["allowed"]) == (200, False)
        used = request(port, "POST", CONSUME, use, Authorization=bearer)
        assert (used.status, used.json()["reason"]) == (200, "unknown_feature")
        body = json.dumps(event(id=f"evt_{turns}_{number}")).encode()
        signature = sign(body, settings.BILLING.stripe_webhook_secrets[0])
        assert request(port, "POST", WEBHOOK, body, Stripe_Signature=signature).status == 200
        assert request(port, "GET", "/live").status == 200


def incomplete_request(path: str, **headers: str) -> bytes:
    """A head that promises a thousand bytes, and one of them."""
    return head("POST", path, length=1000, **headers) + b"{"


def incomplete_bodies_delay_nobody(port: int, key: str) -> None:
    with ExitStack() as stack:
        for first in (
            incomplete_request(WEBHOOK),
            incomplete_request("/admin/login/"),
            incomplete_request(CHECK, Authorization=f"Bearer {key}"),
            incomplete_request(CONSUME, Authorization=f"Bearer {key}"),
            incomplete_request(CONSUME, Authorization=WRONG),
        ):
            stack.enter_context(open_sockets(port, DRIBBLING // 5, first))
        check_everything(port, key)


def silent_connections_delay_nobody(port: int, key: str) -> None:
    with open_sockets(port, SILENT // 2), open_sockets(port, SILENT // 2, b"GET /live HTT"):
        check_everything(port, key, turns=5)


def a_wrong_key_is_refused_before_the_body_is_read(port: int) -> None:
    for path, headers, code in [
        (CONSUME, {"Authorization": WRONG}, "invalid-key"),
        (CHECK, {"Authorization": "Bearer nonsense"}, "invalid-key"),
        ("/api/v1/customers", {}, "key-required"),
        ("/api/v1/billing/portal", {"Authorization": WRONG}, "project-header-required"),
        ("/api/v1/billing/portal", {}, "token-required"),
    ]:
        with open_sockets(port, 1, incomplete_request(path, **headers)) as (one,):
            refused: Answer = answer(one)
        assert (refused.status, refused.json()["code"]) == (401, code), path
        assert refused.json()["request_id"] == refused.headers["x-request-id"]


def a_body_that_is_too_long_is_not_read(port: int, key: str) -> None:
    for path, headers in [
        (CHECK, {"Authorization": key}),
        ("/api/v1/customers", {"Authorization": key}),
        (WEBHOOK, {}),
    ]:
        first = head("POST", path, length=2 * 1024 * 1024, **headers)
        with open_sockets(port, 1, first) as (one,):
            refused = answer(one)
        assert (refused.status, refused.json()["code"]) == (413, "body-too-large"), path


def a_body_in_chunks_is_read(port: int, key: str) -> None:
    body = b'{"checks": [{"user_id": "ada", "feature": "sso"}]}'
    start = (
        f"POST {CHECK} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: {key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:]))
    with open_sockets(port, 1, start.encode() + parts + b"0\r\n\r\n") as (one,):
        assert answer(one).json()["data"][0]["reason"] == "not_entitled"
    endless = b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20))
    with open_sockets(port, 1, start.encode() + endless + endless) as (one,):
        assert answer(one).json()["code"] == "body-too-large"


def paths_and_headers_arrive_as_they_were_sent(port: int, key: str) -> None:
    for path, status in [
        ("/api/v1/customers/%FF", 404),
        ("/api/v1/customers/%EF%BF%BD", 404),
        ("/api/v1/customers/caf%C3%A9", 404),
        ("/api/v1/customers/%00", 400),
        ("/api/v1/customers?limit=1", 200),
        ("/static/docs/nothing.js", 404),
    ]:
        assert request(port, "GET", path, Authorization=key).status == status, path
    for nothing in (b"", b"Host:\r\n"):
        question = head("GET", f"{CHECK}?user_id=ada&feature=sso", Authorization=key)
        with open_sockets(port, 1, question.replace(b"Host: 127.0.0.1\r\n", nothing)) as (one,):
            assert answer(one).status == 400
    spoofed = head("GET", "/api/v1/customers").replace(
        b"\r\n\r\n", f"\r\nauthori_zation: x\r\nAuthorization: {key}\r\n\r\n".encode()
    )
    with open_sockets(port, 1, spoofed) as (one,):
        assert answer(one).status == 200


def test_requests_keep_their_limits_and_delay_nobody(port: int, project: Project) -> None:
    """One server for all of them: starting it takes longer than they do."""
    key = key_of(project)
    bearer = f"Bearer {key}"
    a_wrong_key_is_refused_before_the_body_is_read(port)  # later too many were tried
    incomplete_bodies_delay_nobody(port, key)
    silent_connections_delay_nobody(port, key)
    a_body_that_is_too_long_is_not_read(port, bearer)
    a_body_in_chunks_is_read(port, bearer)
    paths_and_headers_arrive_as_they_were_sent(port, bearer)
