"""The fast path answers its addresses exactly as Django does."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.redis import breaker
from config import fast_path
from projects.keys import api_keys, key_cache
from projects.models import ApiKey, Project
from projects.tenants import apps, projects
from tests.api_client import ApiClient
from tests.factories.projects import AppFactory, key_of
from tests.served_client import ServedClient
from tests.wsgi_calls import ASK, CHECK, comparable, fast_requests

pytestmark = pytest.mark.django_db
AN_HOUR = timedelta(hours=1)
A_MOMENT = timedelta(milliseconds=1)


@pytest.fixture(autouse=True)
def closed_breaker() -> Iterator[None]:
    breaker.close()
    yield
    breaker.close()


def test_the_fast_path_and_django_give_the_same_answer(project: Project, sso: None) -> None:
    requests = fast_requests(key_of(project))
    fast_answers = [ServedClient().generic(**request) for request in requests]
    django_answers = [
        Client(raise_request_exception=False).generic(**request) for request in requests
    ]
    for request, fast, slow in zip(requests, fast_answers, django_answers, strict=True):
        assert comparable(fast) == comparable(slow), request
        assert fast.headers["X-Request-ID"].startswith("req_")
        if fast.status_code >= 400:
            assert fast.json()["request_id"] == fast.headers["X-Request-ID"]


def test_requests_keep_their_id_and_other_hosts_are_refused(
    api: ApiClient, sso: None, settings: Any
) -> None:
    answer = api.get(ASK, headers={"X-Request-ID": "job-7"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (200, "job-7")
    settings.ALLOWED_HOSTS = ["tollgate.example"]
    assert api.get(ASK).status_code == 400
    assert api.get(ASK, headers={"Host": "tollgate.example"}).status_code == 200


def test_a_crash_says_only_the_request_id(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(environ: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setitem(fast_path.ROUTES, ("GET", CHECK), crash)
    answer = api.get(ASK)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert b"secret of the house" not in answer.content


def test_a_repeated_request_is_carried_out_once(api: ApiClient, sso: None) -> None:
    body = {"checks": [{"user_id": "ada", "feature": "sso"}]}
    headers = {"Idempotency-Key": "once"}
    first, second = (api.post(CHECK, body, headers=headers) for _ in range(2))
    assert first.content == second.content
    assert second.headers["Idempotent-Replayed"] == "true"


class TestKeys:
    """A key that is known costs no query, and is not believed for longer than five seconds."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1_000_000.0]
        monkeypatch.setattr(key_cache.cache, "_clock", lambda: now[0])
        return now

    def test_a_known_key_costs_no_query(self, api: ApiClient, sso: None) -> None:
        api.get(ASK)
        with CaptureQueriesContext(connection) as seen:
            assert api.get(ASK).status_code == 200
        assert len(seen) == 0

    def test_a_revoked_key_is_refused_at_once_where_it_was_revoked(
        self, api: ApiClient, sso: None, django_capture_on_commit_callbacks: Any
    ) -> None:
        assert api.get(ASK).status_code == 200
        key = ApiKey.objects.across_projects().get()
        with django_capture_on_commit_callbacks(execute=True):
            api_keys.revoke(key=key, actor="command", at=timezone.now())
        assert api.get(ASK).status_code == 401

    def test_a_suspended_project_is_refused_at_once_where_it_was_suspended(
        self, api: ApiClient, project: Project, sso: None, django_capture_on_commit_callbacks: Any
    ) -> None:
        assert api.get(ASK).status_code == 200
        with django_capture_on_commit_callbacks(execute=True):
            projects.suspend(project=project, actor="command", at=timezone.now(), reason="Unpaid.")
        assert api.get(ASK).status_code == 403

    def test_an_archived_app_is_refused_at_once_where_it_was_archived(
        self, project: Project, sso: None, django_capture_on_commit_callbacks: Any
    ) -> None:
        app = AppFactory.create(project=project)
        client = ApiClient(key_of(project, app=app, scopes=["entitlements:read"]))
        assert client.get(ASK).status_code == 200
        with django_capture_on_commit_callbacks(execute=True):
            apps.change(app=app, actor="command", at=timezone.now(), archived=True)
        assert client.get(ASK).status_code == 401

    @pytest.mark.parametrize("is_redis_dead", [False, True])
    @pytest.mark.parametrize(
        ("spoil", "refusal"),
        [
            (lambda: ApiKey.objects.across_projects().update(revoked_at=timezone.now()), 401),
            (lambda: ApiKey.objects.across_projects().update(expires_at=timezone.now()), 401),
            (lambda: Project.objects.update(suspended_at=timezone.now()), 403),
        ],
        ids=["revoked", "expired", "suspended"],
    )
    def test_a_refusal_without_a_message_holds_within_five_seconds(
        self,
        api: ApiClient,
        sso: None,
        clock: list[float],
        spoil: Any,
        refusal: int,
        is_redis_dead: bool,
    ) -> None:
        assert api.get(ASK).status_code == 200
        if is_redis_dead:
            breaker.trip()
        spoil()
        clock[0] += key_cache.MAX_AGE_SECONDS - 0.001
        assert api.get(ASK).status_code == 200
        clock[0] += 0.001
        assert api.get(ASK).status_code == refusal
        assert key_cache.MAX_AGE_SECONDS < 5

    def test_a_key_that_expires_opens_nothing_from_that_moment(
        self, project: Project, sso: None
    ) -> None:
        now = timezone.now()
        key = key_of(project, expires_at=now + AN_HOUR)
        with time_machine.travel(now + AN_HOUR - A_MOMENT, tick=False):
            assert ApiClient(key).get(ASK).status_code == 200
        with time_machine.travel(now + AN_HOUR, tick=False):
            assert ApiClient(key).get(ASK).status_code == 401
