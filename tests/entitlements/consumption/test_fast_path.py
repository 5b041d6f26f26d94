"""Common consumptions are answered before Django; others reach it with their body."""

import io
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.fast_path import Environ, FastPath
from config.wsgi import application
from entitlements.free_tier import service as free_tier
from entitlements.models.feature import FeatureKind
from projects.models import Project
from tests.factories.entitlements import FeatureFactory
from tests.factories.projects import key_of
from tests.factories.usage import MeterFactory
from tests.wsgi_calls import CONSUME, WsgiAnswer, fail_if_called, wsgi_environ
from usage.models import Record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_local_caches")]
FAST_PATH = FastPath(fail_if_called)


def consume_environ(key: str, more: str = "", **headers: Any) -> Environ:
    body = f'{{"user_id": "ada", "feature": "api"{more}}}'.encode()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {key}", "content_type": "application/json"}
    return wsgi_environ("POST", CONSUME, body, **{**bearer, **headers})


@pytest.fixture
def key(project: Project) -> str:
    meter = MeterFactory.create(project=project, code="calls")
    FeatureFactory.create(
        project=project, code="api", kind=FeatureKind.METERED, meter=meter, period="month"
    )
    free_tier.set_feature(
        project=project, code="api", value=5, actor="ada", reason="All", at=timezone.now()
    )
    key = key_of(project)
    assert WsgiAnswer(application, consume_environ(key)).json()["used"] == 1
    return key


def test_a_common_use_is_answered_without_django(key: str) -> None:
    with CaptureQueriesContext(connection) as seen:
        answer = WsgiAnswer(
            FAST_PATH, consume_environ(key, ', "amount": 2, "key": "a"', HTTP_X_REQUEST_ID="job-7")
        )
    assert len(seen) <= 2
    assert answer.headers["X-Request-ID"] == "job-7"
    body = answer.json()
    assert (body["used"], body["remaining"], body["consumed"]) == (3, 2, 2)
    again = WsgiAnswer(FAST_PATH, consume_environ(key, ', "amount": 2, "key": "a"')).json()
    assert (again["used"], again["duplicate"]) == (3, True)
    denied = WsgiAnswer(FAST_PATH, consume_environ(key, ', "amount": 3')).json()
    assert (denied["allowed"], denied["consumed"]) == (False, 0)
    assert Record.objects.across_projects().count() == 2


def test_an_unusual_request_reaches_django_with_its_body(key: str) -> None:
    requests = (
        consume_environ(key, ', "amount": 9007199254740993'),
        consume_environ(key, ', "surprise": 1'),
        consume_environ(key, ', "feature": "api"'),
        consume_environ(key, HTTP_IDEMPOTENCY_KEY="once"),
        consume_environ(key, content_type="application/json; charset=utf-8"),
        consume_environ("tg_test_" + "a" * 43),
    )
    for request in requests:
        with pytest.raises(LookupError):
            WsgiAnswer(
                FAST_PATH, {**request, "wsgi.input": io.BytesIO(request["wsgi.input"].getvalue())}
            )
    statuses = [WsgiAnswer(application, request).status_code for request in requests]
    assert statuses == [422, 422, 400, 200, 200, 401]


def test_a_body_that_breaks_off_uses_nothing(key: str) -> None:
    whole = consume_environ(key)
    half = io.BytesIO(whole["wsgi.input"].getvalue()[:-5])
    answer = WsgiAnswer(application, {**whole, "wsgi.input": half})
    assert (answer.status_code, orjson.loads(answer.content)["code"]) == (400, "malformed-body")
    assert Record.objects.across_projects().count() == 1
