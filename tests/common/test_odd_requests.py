"""Odd requests get a problem document with a 4xx and store nothing."""

import pytest

from projects.models import Customer, Project
from tests.common.raw_requests import Raw, problem_of


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1, 2",
        b"\xff",
        b"[" * 5000,
        b'{"user_id": "u1", "metadata": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        b'{"user_id": "a\\u0000b"}',
        b'{"user_id": "\\ud800"}',
        b'{"user_id": 1e400}',
        b'{"user_id": "u1", "name": NaN}',
        b'{"user_id": "u1", "user_id": "u2"}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_an_unreadable_body_is_a_400(raw: Raw, project: Project, body: bytes) -> None:
    document = problem_of(raw.send("POST", "/api/v1/customers", body), 400)

    assert document["code"] == "malformed-body"
    assert not Customer.objects.for_project(project).exists()


@pytest.mark.parametrize("body", [b"", b"null", b"1", b'"text"', b"[]", b"true", b"{}"])
def test_a_body_of_another_shape_is_a_422(raw: Raw, body: bytes) -> None:
    problem_of(raw.send("POST", "/api/v1/customers", body), 422)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/jsonp",
        "\xff",
        "application/",
        ";;;",
    ],
)
def test_another_content_type_is_a_415(raw: Raw, content_type: str) -> None:
    answer = raw.send("POST", "/api/v1/customers", b"user_id=u1", content_type=content_type)

    assert problem_of(answer, 415)["code"] == "unsupported-media-type"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/customers/%00",
        "/api/v1/customers/a%00b",
        "/api/v1/customers?email=%00",
        "/api/v1/customers?%00=1",
        "/api/v1/projects/prj_%00/keys",
        "/webhooks/stripe/%00",
        "/%00",
    ],
)
def test_a_nul_in_the_address_is_a_400(raw: Raw, path: str) -> None:
    assert problem_of(raw.send("GET", path), 400)["code"] == "bad-request"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/customers/%ED%A0%80",
        "/api/v1/customers/%FF%FE",
        "/api/v1/customers/" + "x" * 5000,
        "/api/v1/customers/..%2F..%2Fetc%2Fpasswd",
        "/api/v1/customers/'; DROP TABLE projects_customer; --",
        "/api/v1/customers/%F0%9F%98%80",
        "/api/v1/nothing/here",
        "/api/v1/customers/",
        "/api/v1/customers/u1/",
        "/api/v1",
        "/api/",
        "/api/v2/customers",
        "/webhooks/paypal",
        "/favicon.ico",
    ],
)
def test_an_address_that_names_nothing_is_a_404(raw: Raw, path: str) -> None:
    assert problem_of(raw.send("GET", path), 404)["code"] == "not-found"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=1.5",
        "limit=null",
        "limit=",
        "limit=%D9%A1",
        "limit=" + "9" * 5000,
        "limit=0000000000" + "5099",
        "cursor=",
        "cursor=nonsense",
        "cursor=prj_01j9zc3k5v8e4w2t7x6y5q4r3s",
        "cursor=" + "x" * 5000,
        "email=nobody",
        "colour=red",
        "limit=1&limit=2",
        "email=%FF",
        "user_id[$ne]=1",
    ],
)
def test_an_odd_query_is_a_422(raw: Raw, query: str) -> None:
    document = problem_of(raw.send("GET", f"/api/v1/customers?{query}"), 422)

    assert document["errors"]


def test_a_thousand_parameters_are_refused(raw: Raw) -> None:
    query = "&".join(f"p{number}=1" for number in range(1001))

    problem_of(raw.send("GET", f"/api/v1/customers?{query}"), 400)
