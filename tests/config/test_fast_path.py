"""The WSGI application answers cached requests before Django, with equal bytes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config.fast_path import Environ, FastPath
from config.wsgi import application
from entitlements.cache.local import local_cache
from entitlements.decisions.selectors import current_facts
from projects.keys import key_cache
from projects.models import ApiKey, Project
from tests.factories.projects import key_of
from tests.wsgi_calls import (
    ASK,
    CHECK,
    WsgiAnswer,
    comparable,
    fail_if_called,
    fast_requests,
    wsgi_environ,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sso", "empty_local_caches")]


def check_environ(key: str, **more: Any) -> Environ:
    return wsgi_environ("GET", ASK, **{"HTTP_AUTHORIZATION": f"Bearer {key}", **more})


def test_the_wsgi_application_answers_as_django_does(project: Project) -> None:
    key = key_of(project)
    for request in fast_requests(key):
        usual = Client(raise_request_exception=False).generic(**request)
        for _ in range(2):  # from the database or from what it takes, and from this process
            one = WsgiAnswer(application, wsgi_environ(**request))
            assert comparable(one) == comparable(usual), request
            assert one.is_whole
            assert one.headers["X-Request-ID"].startswith("req_")


def test_a_cached_answer_reaches_neither_django_nor_the_database(project: Project) -> None:
    key = key_of(project)
    usual = WsgiAnswer(application, check_environ(key))
    ready = FastPath(fail_if_called)
    with CaptureQueriesContext(connection) as seen:
        copied = WsgiAnswer(ready, check_environ(key, HTTP_X_REQUEST_ID="job-7"))
        local_cache.drop_all()
        kept = WsgiAnswer(ready, check_environ(key, HTTP_X_REQUEST_ID="not harmless"))
    assert len(seen) == 0
    assert copied.content == kept.content == usual.content
    assert list(copied.headers.items()) == [
        ("Content-Type", "application/json"),
        ("X-Request-ID", "job-7"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    assert kept.headers["X-Request-ID"].startswith("req_")


def test_every_other_request_is_left_to_django(project: Project, settings: Any) -> None:
    key, ready = key_of(project), FastPath(fail_if_called)
    WsgiAnswer(application, check_environ(key))
    assert WsgiAnswer(ready, check_environ(key)).status_code == 200
    powerless = key_of(project, scopes=["project:read"])
    assert WsgiAnswer(application, check_environ(powerless)).status_code == 403
    for left in (
        check_environ(powerless),
        check_environ("tg_test_" + "a" * 43),
        check_environ(key, HTTP_IDEMPOTENCY_KEY="once"),
        check_environ(key, HTTP_AUTHORIZATION=f"bearer {key}"),
        wsgi_environ("HEAD", ASK, HTTP_AUTHORIZATION=f"Bearer {key}"),
        wsgi_environ("GET", f"{ASK}&explain=1", HTTP_AUTHORIZATION=f"Bearer {key}"),
        wsgi_environ(
            "GET", f"{CHECK}/?user_id=ada&feature=sso", HTTP_AUTHORIZATION=f"Bearer {key}"
        ),
    ):
        with pytest.raises(LookupError):
            WsgiAnswer(ready, left)
    settings.ALLOWED_HOSTS = ["tollgate.example"]
    with pytest.raises(LookupError):
        WsgiAnswer(ready, check_environ(key))
    assert WsgiAnswer(ready, check_environ(key, HTTP_HOST="tollgate.example")).status_code == 200


def test_the_last_use_of_a_key_is_recorded_each_minute(project: Project) -> None:
    key = key_of(project)
    WsgiAnswer(application, check_environ(key))
    stored = ApiKey.objects.across_projects()
    first = stored.get().last_used_at
    assert first is not None
    held = first - timedelta(minutes=1)
    stored.update(last_used_at=held)
    key_cache.cache.drop_all()
    WsgiAnswer(application, check_environ(key))
    again = stored.get().last_used_at
    assert again is not None
    assert again > held


def test_a_failing_answer_is_tried_once_and_is_an_ordinary_500(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(project)
    WsgiAnswer(application, check_environ(key))
    monkeypatch.setattr(current_facts, "_READ_FACTS", "SELECT 1 / 0 -- the secret of the house")
    question = {"QUERY_STRING": "user_id=eve&feature=sso"}
    with CaptureQueriesContext(connection) as seen:
        failed = WsgiAnswer(application, {**check_environ(key), **question})
    assert len(seen) == 1
    assert (failed.status_code, failed.json()["code"]) == (500, "internal-error")
    assert failed.json()["request_id"] == failed.headers["X-Request-ID"]
    assert b"secret of the house" not in failed.content
