"""Odd methods, headers, hosts and charsets get a correct answer or a 4xx problem document."""

import logging
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.common.raw_requests import Raw, problem_of
from tests.factories.projects import CustomerFactory


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "bearer x y",
        "Basic dXNlcjpwYXNz",
        "Bearer tg_test_" + "\xff" * 43,
        "Bearer tg_test_" + "a" * 5000,
        "Bearer tg_test_" + "a" * 43,
        "Bearer tg_platform_" + "a" * 43,
        "\xff\xfe",
        "Token tg_test_" + "a" * 43,
        "Bearer tg_test_%00",
    ],
)
def test_an_odd_authorization_header_is_a_401(raw: Raw, header: str) -> None:
    answer = raw.send("GET", "/api/v1/customers", HTTP_AUTHORIZATION=header)

    assert problem_of(answer, 401)["code"] == "invalid-key"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tollgate"'


def test_a_request_without_a_key_is_told_to_send_one(raw: Raw) -> None:
    answer = raw.send("GET", "/api/v1/customers", HTTP_AUTHORIZATION="")

    assert problem_of(answer, 401)["code"] == "key-required"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tollgate"'


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/customers", "GET, POST, HEAD, OPTIONS"),
        ("DELETE", "/api/v1/customers", "GET, POST, HEAD, OPTIONS"),
        ("TRACE", "/api/v1/customers", "GET, POST, HEAD, OPTIONS"),
        ("BREW", "/api/v1/customers", "GET, POST, HEAD, OPTIONS"),
        ("POST", "/api/v1/customers/u1", "GET, PATCH, DELETE, HEAD, OPTIONS"),
        ("GET", "/webhooks/stripe", "POST"),
        ("DELETE", "/api/v1/webhooks/stripe", "POST"),
        ("POST", "/api/schema", "GET, HEAD"),
        ("PUT", "/health", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_a_405(raw: Raw, method: str, path: str, allowed: str) -> None:
    answer = raw.send(method, path)

    assert problem_of(answer, 405)["code"] == "method-not-allowed"
    assert set(answer.headers["Allow"].split(", ")) == set(allowed.split(", "))


@pytest.mark.parametrize("header", ["HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_METHOD_OVERRIDE"])
def test_a_method_is_not_overridden(raw: Raw, project: Project, header: str) -> None:
    answer = raw.send("POST", "/api/v1/customers?_method=GET", b"{}", **{header: "GET"})

    problem_of(answer, 422)
    assert not Customer.objects.for_project(project).exists()


def test_head_is_get_without_a_body(raw: Raw, project: Project) -> None:
    CustomerFactory.create(project=project, user_id="u1")
    answer = raw.send("HEAD", "/api/v1/customers/u1")

    assert (answer.status_code, answer.content) == (200, b"")


def test_options_names_the_methods_and_nothing_else(raw: Raw) -> None:
    answer = raw.send("OPTIONS", "/api/v1/customers")

    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST", "HEAD", "OPTIONS"}
    problem_of(raw.send("OPTIONS", "/api/v1/customers", HTTP_AUTHORIZATION=""), 401)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*;q=\xff", ";", "a" * 5000])
def test_the_response_is_json_whatever_the_accept_header(raw: Raw, accept: str) -> None:
    answer = raw.send("GET", "/api/v1/customers", HTTP_ACCEPT=accept)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("offered", ["x" * 65, "a b", "<script>", "\xff", "a\tb", ""])
def test_a_harmful_request_id_is_replaced(raw: Raw, offered: str) -> None:
    answer = raw.send("GET", "/live", HTTP_X_REQUEST_ID=offered)

    assert answer.headers["X-Request-ID"].startswith("req_")


def test_a_harmless_request_id_is_kept(raw: Raw) -> None:
    answer = raw.send("GET", "/api/v1/nothing", HTTP_X_REQUEST_ID="job-7.retry_2")

    assert answer.headers["X-Request-ID"] == "job-7.retry_2"
    assert answer.json()["request_id"] == "job-7.retry_2"


def test_an_unknown_host_is_a_400(raw: Raw, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["tollgate.example"]

    assert problem_of(raw.send("GET", "/api/v1/customers"), 400)["code"] == "bad-request"


def test_a_wrong_content_length_does_not_crash(raw: Raw) -> None:
    answer = raw.send("POST", "/api/v1/customers", b'{"user_id": "u1"}', CONTENT_LENGTH="many")

    assert answer.status_code in (201, 400, 422)


def test_a_body_of_two_mebibytes_is_a_413(raw: Raw, project: Project) -> None:
    body = b'{"user_id": "' + b"x" * 2_000_000 + b'"}'

    problem_of(raw.send("POST", "/api/v1/customers", body), 413)
    assert not Customer.objects.for_project(project).exists()


@pytest.mark.django_db
def test_the_console_answers_errors_in_html() -> None:
    missing = Client(raise_request_exception=False).get("/admin/nothing/here/", follow=True)

    assert missing.headers["Content-Type"].startswith("text/html")


def test_a_crash_says_only_the_request_id(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr("projects.customers.api.CustomersViewSet.list", crash)
    answer = api.get("/customers")

    document = problem_of(answer, 500)
    assert document["code"] == "internal-error"
    assert b"secret of the house" not in answer.content


@pytest.mark.parametrize(
    "charset", ["latin-1", "utf-16", "iso-8859-1", "us-ascii", "no-such-charset"]
)
def test_a_body_in_another_charset_is_not_guessed_at(api: ApiClient, charset: str) -> None:
    answer = Client().generic(
        "POST",
        "/api/v1/customers",
        '{"user_id": "caf\u00e9"}'.encode("latin-1"),
        content_type=f"application/json; charset={charset}",
        headers={"Authorization": f"Bearer {api.key}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"'])
def test_a_utf_8_charset_is_accepted(api: ApiClient, charset: str) -> None:
    answer = Client().generic(
        "POST",
        "/api/v1/customers",
        '{"user_id": "caf\u00e9"}'.encode(),
        content_type=f"application/json; charset={charset}",
        headers={"Authorization": f"Bearer {api.key}"},
    )
    assert (answer.status_code, answer.json()["user_id"]) == (201, "caf\u00e9")


@pytest.mark.django_db
def test_an_unknown_host_logs_no_traceback(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ALLOWED_HOSTS = ["billing.example.com"]

    answer = Client().get("/api/v1/customers", headers={"Host": "scanner.example.net"})

    assert answer.status_code == 400
    assert [each.name for each in caplog.records if each.exc_info] == []
    assert "scanner.example.net" not in caplog.text


def test_a_path_is_logged_without_the_name_of_a_user(
    api: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="tollgate.request"):
        api.get("/subscriptions/ada-lovelace")
        api.get("/payments/pay_01j9zc3k5v8e4w2t7x6y5q4r3s")

    paths = [record.msg["path"] for record in caplog.records if isinstance(record.msg, dict)]
    assert paths == [
        "/api/v1/subscriptions/{user_id}",
        "/api/v1/payments/pay_01j9zc3k5v8e4w2t7x6y5q4r3s",
    ]
