"""The fast path answers before Django, and nobody can tell from the answers."""

import io
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from common.redis import breaker
from config.fast_path import Environ, FastPath
from config.wsgi import application
from entitlements.cache.local import local_cache
from entitlements.decisions.selectors import current_facts as ground
from projects.keys import key_cache
from projects.models import ApiKey, Project
from tests.config.test_hot import ASK, CHECK, requests, sso, told  # noqa: F401  # a fixture
from tests.factories.projects import key_of
from tests.listening import hear

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sso", "forgetful")]
ENDS = (request_started, request_finished)


@pytest.fixture
def forgetful() -> None:
    """Nothing is known from an earlier test, and what is remembered from now on stays."""
    hear()
    breaker.close()
    local_cache.drop_all()
    key_cache.cache.drop_all()


def environ(method: str, path: str, data: bytes = b"", **more: Any) -> Environ:
    made = RequestFactory().generic(method, path, data, **more)
    return {**made.environ, "wsgi.input": io.BytesIO(data)}


def asking(key: str, **more: Any) -> Environ:
    return environ("GET", ASK, **{"HTTP_AUTHORIZATION": f"Bearer {key}", **more})


class Served:
    """An answer as the web server is given it."""

    def __init__(self, application: Any, environ: Environ) -> None:
        for end in ENDS:  # the test's connection outlives the request, as with Django's own client
            end.disconnect(close_old_connections)
        try:
            body = application(environ, self._start)
        finally:
            for end in ENDS:
                end.connect(close_old_connections)
        self.is_whole = isinstance(body, list)
        self.content = b"".join(body) if environ["REQUEST_METHOD"] != "HEAD" else b""

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status_code, self.headers = int(status[:3]), dict(headers)

    def json(self) -> Any:
        return orjson.loads(self.content)


def nobody(environ: Environ, start_response: Any) -> Iterable[bytes]:
    raise LookupError("Django was asked.")


def test_nobody_can_tell_from_the_answer(project: Project) -> None:
    key = key_of(project)
    for request in requests(key):
        usual = Client(raise_request_exception=False).generic(**request)
        for _ in range(2):  # from the database or from what it takes, and from this process
            one = Served(application, environ(**request))
            assert told(one) == told(usual), request
            assert one.is_whole
            assert one.headers["X-Request-ID"].startswith("req_")


def test_what_is_ready_reaches_neither_django_nor_the_database(project: Project) -> None:
    key = key_of(project)
    usual = Served(application, asking(key))
    ready = FastPath(nobody)
    with CaptureQueriesContext(connection) as seen:
        copied = Served(ready, asking(key, HTTP_X_REQUEST_ID="job-7"))
        local_cache.drop_all()
        kept = Served(ready, asking(key, HTTP_X_REQUEST_ID="not harmless"))
    assert len(seen) == 0
    assert copied.content == kept.content == usual.content
    assert list(copied.headers.items()) == [
        ("Content-Type", "application/json"),
        ("X-Request-ID", "job-7"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    assert kept.headers["X-Request-ID"].startswith("req_")


def test_everything_else_is_left_to_django(project: Project, settings: Any) -> None:
    key, ready = key_of(project), FastPath(nobody)
    Served(application, asking(key))
    assert Served(ready, asking(key)).status_code == 200
    powerless = key_of(project, scopes=["project:read"])
    assert Served(application, asking(powerless)).status_code == 403
    for left in (
        asking(powerless),
        asking("tg_test_" + "a" * 43),
        asking(key, HTTP_IDEMPOTENCY_KEY="once"),
        asking(key, HTTP_AUTHORIZATION=f"bearer {key}"),
        environ("HEAD", ASK, HTTP_AUTHORIZATION=f"Bearer {key}"),
        environ("GET", f"{ASK}&explain=1", HTTP_AUTHORIZATION=f"Bearer {key}"),
        environ("GET", f"{CHECK}/?user_id=ada&feature=sso", HTTP_AUTHORIZATION=f"Bearer {key}"),
    ):
        with pytest.raises(LookupError):
            Served(ready, left)
    settings.ALLOWED_HOSTS = ["tollgate.example"]
    with pytest.raises(LookupError):
        Served(ready, asking(key))
    assert Served(ready, asking(key, HTTP_HOST="tollgate.example")).status_code == 200


def test_the_use_of_a_key_is_written_down_each_minute(project: Project) -> None:
    key = key_of(project)
    Served(application, asking(key))
    stored = ApiKey.objects.across_projects()
    first = stored.get().last_used_at
    assert first is not None
    held = first - timedelta(minutes=1)
    stored.update(last_used_at=held)
    key_cache.cache.drop_all()
    Served(application, asking(key))
    again = stored.get().last_used_at
    assert again is not None
    assert again > held


def test_an_answer_that_fails_is_tried_once_and_said_as_ever(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(project)
    Served(application, asking(key))
    monkeypatch.setattr(ground, "_READ_FACTS", "SELECT 1 / 0 -- the secret of the house")
    question = {"QUERY_STRING": "user_id=eve&feature=sso"}
    with CaptureQueriesContext(connection) as seen:
        failed = Served(application, {**asking(key), **question})
    assert len(seen) == 1
    assert (failed.status_code, failed.json()["code"]) == (500, "internal-error")
    assert failed.json()["request_id"] == failed.headers["X-Request-ID"]
    assert b"secret of the house" not in failed.content
