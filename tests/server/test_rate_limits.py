"""Limits of keys, projects and addresses, as callers of the real web server see them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from projects.limits.callers import BURST_SECONDS, FAILURES, KEY_SHARE
from projects.models import Customer, Project
from tests.factories.projects import key_of
from tests.server.web_server import Answer, request, web_server
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
RATE = 2
KEY_LIMIT = int(RATE * BURST_SECONDS * KEY_SHARE)
FULL_AFTER_ONE = int(BURST_SECONDS - 1 / (RATE * KEY_SHARE))
"""Whole seconds from the time at which a key may send one request until its bucket is full."""
PROCESSES = 2
"""Of the web server; each counts alone until it hears of the others."""
CHECK = "/api/v1/entitlements/check?user_id=ada&feature=sso"
WRONG_KEY = "tg_test_" + "x" * 43


GUESSER, FORGER = "127.0.0.2", "127.0.0.3"
"""Addresses whose failures count for one test only."""


@pytest.fixture(scope="module")
def port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """One server for the module: each test has a project and keys of its own, and the limits of
    both count for it alone."""
    with web_server(tmp_path_factory.mktemp("web") / "web.log") as port:
        yield port


def get(
    port: int, key: str, path: str = "/api/v1/customers", *, source: str = "127.0.0.1"
) -> Answer:
    return request(port, "GET", path, source=source, Authorization=f"Bearer {key}")


def statuses(answers: list[Answer]) -> dict[int, int]:
    return {
        status: sum(each.status == status for each in answers)
        for status in {each.status for each in answers}
    }


def test_every_answer_says_what_is_left(port: int, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(requests_per_second=RATE)
    key = key_of(project)
    answer = get(port, key)
    assert answer.status == 200
    assert answer.headers["ratelimit-policy"] == '"key";q=7;w=5, "project";q=10;w=5'
    name, left, until_full = answer.headers["ratelimit"].split(";")
    assert (name, left) == ('"key"', f"r={KEY_LIMIT - 1}")
    assert until_full.startswith("t=")
    refused = request(port, "POST", "/api/v1/customers", b"{", Authorization=f"Bearer {key}")
    assert refused.status == 400
    assert "ratelimit" in refused.headers


def test_checks_count_separately_and_tell_what_is_left(port: int, project: Project) -> None:
    key = key_of(project)
    checks = [get(port, key, CHECK) for _ in range(6)]
    assert {each.headers["ratelimit-policy"] for each in checks} == {
        '"key";q=7500;w=5, "project";q=10000;w=5'
    }
    assert get(port, key).headers["ratelimit-policy"] == '"key";q=375;w=5, "project";q=500;w=5'


def test_past_the_limit_requests_are_refused_until_the_time_that_the_refusal_names(
    port: int, project: Project, other_project: Project
) -> None:
    """That is a second, and longer only by what the key owes: what both processes have let through
    before they told each other delays the time at which its bucket is full as well."""
    Project.objects.filter(pk=project.pk).update(requests_per_second=RATE)
    key = key_of(project)
    answers = [get(port, key) for _ in range(PROCESSES * KEY_LIMIT + 8)]
    counts = statuses(answers)
    assert set(counts) == {200, 429}
    assert counts[200] >= KEY_LIMIT
    refusal = next(each for each in answers if each.status == 429)
    assert refusal.headers["content-type"] == "application/problem+json"
    assert refusal.json()["code"] == "rate-limited"
    assert refusal.headers["ratelimit"].startswith('"key";r=0;')
    assert get(port, key_of(other_project)).status == 200
    assert get(port, key, CHECK).status == 200
    seconds_until_full = int(refusal.headers["ratelimit"].rpartition("t=")[2])
    assert 1 <= int(refusal.headers["retry-after"]) <= seconds_until_full - FULL_AFTER_ONE
    wait_until(lambda: get(port, key).status == 200)


def test_a_refused_write_leaves_nothing(port: int, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(requests_per_second=1)
    key, created = key_of(project), 0
    for number in range(20):
        body = f'{{"user_id": "user{number}"}}'.encode()
        answer = request(port, "POST", "/api/v1/customers", body, Authorization=f"Bearer {key}")
        created += answer.status == 201
        assert answer.status in (201, 429)
    assert 0 < created < 20
    assert Customer.objects.for_project(project).count() == created


def test_an_address_that_guesses_keys_is_limited_and_right_keys_work_there(
    port: int, project: Project
) -> None:
    answers = [get(port, WRONG_KEY, source=GUESSER) for _ in range(PROCESSES * int(FAILURES) + 20)]
    counts = statuses(answers)
    assert set(counts) == {401, 429}
    assert counts[401] <= PROCESSES * (FAILURES + 15)
    assert get(port, key_of(project), source=GUESSER).status == 200


def test_wrong_signatures_at_one_path_do_not_stop_the_others(port: int, project: Project) -> None:
    body = b'{"id": "evt_1", "type": "product.updated"}'
    answers = [
        request(port, "POST", "/webhooks/stripe", body, source=FORGER, Stripe_Signature="t=1,v1=00")
        for _ in range(PROCESSES * int(FAILURES) + 20)
    ]
    assert set(statuses(answers)) == {400, 429}
    assert int(answers[-1].headers["retry-after"]) >= 1
    inbound = f"/api/v1/events/inbound/{project.pk}"
    assert request(port, "POST", inbound, body, source=FORGER).status not in (429, 500)


def test_old_addresses_and_graphql_count_like_the_api(port: int, project: Project) -> None:
    """Stripe's events at an old address have no limit; a key's queries count for the key."""
    signed = [
        request(port, "POST", "/webhook", b"{}", Stripe_Signature="t=1,v1=00") for _ in range(5)
    ]
    assert statuses(signed) == {400: 5}
    assert "ratelimit" not in signed[0].headers
    query = request(
        port,
        "POST",
        "/graphql",
        b'{"query": "{__typename}"}',
        Authorization=f"Bearer {key_of(project)}",
    )
    assert query.status == 200
    assert query.headers["ratelimit-policy"].startswith('"key";')
    old = request(port, "GET", "/api/api/v1/billing/invoices")
    assert old.status == 401
    assert old.headers["ratelimit-policy"].startswith('"address";')


def test_probes_have_no_limit(port: int) -> None:
    answers = [request(port, "GET", "/live") for _ in range(250)]
    assert set(statuses(answers)) == {200}
    assert "ratelimit" not in answers[0].headers


def test_a_flood_of_refusals_leaves_two_log_lines_of_each_process(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at the first refusal; one with the number of the others after a minute, or here when the
    process ends."""
    monkeypatch.setenv("LOG_LEVEL", "INFO")
    Project.objects.filter(pk=project.pk).update(requests_per_second=1)
    key = key_of(project)
    with web_server(tmp_path / "web.log") as port:
        answers = [get(port, key) for _ in range(60)]
    refused = statuses(answers)[429]
    written = (tmp_path / "web.log").read_text().splitlines()
    lines = [json.loads(line) for line in written if line.startswith("{")]
    refusals = [line for line in lines if line["event"] == "requests_over_limit"]
    assert sum(line["refused"] for line in refusals) == refused > 30
    assert len(refusals) <= 2 * PROCESSES
    assert {line["limit"] for line in refusals} == {"key"}
    assert {line["status"] for line in lines if line["event"] == "request"} == {200}


def test_limits_can_be_left_to_a_gateway(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.RATE_LIMITS.are_on
    monkeypatch.setenv("RATE_LIMITS", "off")
    Project.objects.filter(pk=project.pk).update(requests_per_second=1)
    key = key_of(project)
    with web_server(tmp_path / "web.log") as port:
        answers = [get(port, key) for _ in range(30)]
    assert set(statuses(answers)) == {200}
    assert "ratelimit" not in answers[0].headers
