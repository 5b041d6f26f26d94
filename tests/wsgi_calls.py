"""Requests to the WSGI application as the web server makes them, for tests of the fast path."""

import io
from collections.abc import Iterable
from typing import Any

import orjson
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import RequestFactory

from common.api.parsers import MAX_BODY
from common.redis import breaker
from config.fast_path import Environ
from entitlements.cache.local import local_cache
from projects.keys import key_cache
from tests.broadcast_sync import receive_broadcasts

CHECK = "/api/v1/entitlements/check"
ASK = f"{CHECK}?user_id=ada&feature=sso"
CONSUME = "/api/v1/entitlements/consume"
USELESS_BODIES = (
    b"[]",
    b"{",
    b'{"user_id": "ada", "feature": "sso"}',
    b'{"user_id": "ada", "feature": "nothing"}',
    b'{"user_id": "ada", "feature": "sso", "amount": 0}',
    b'{"user_id": "ada", "feature": "sso", "more": 1}',
)
"""Bodies that the service refuses or denies: none of them uses anything."""
VARYING_HEADERS = {"X-Request-ID", "Content-Length"}
"""Headers that differ between any two answers, or that the web server adds."""
REQUEST_SIGNALS = (request_started, request_finished)


def drop_local_caches() -> None:
    """Forget what earlier tests left in this process; what is cached from now on stays."""
    receive_broadcasts()
    breaker.close()
    local_cache.drop_all()
    key_cache.cache.drop_all()


def wsgi_environ(method: str, path: str, data: bytes = b"", **more: Any) -> Environ:
    request = RequestFactory().generic(method, path, data, **more)
    return {**request.environ, "wsgi.input": io.BytesIO(data)}


class WsgiAnswer:
    """The response that the application gives to the web server."""

    def __init__(self, application: Any, environ: Environ) -> None:
        # The test's connection outlives the request, as with Django's own client.
        for signal in REQUEST_SIGNALS:
            signal.disconnect(close_old_connections)
        try:
            body = application(environ, self._start)
        finally:
            for signal in REQUEST_SIGNALS:
                signal.connect(close_old_connections)
        self.is_whole = isinstance(body, list)
        self.content = b"".join(body) if environ["REQUEST_METHOD"] != "HEAD" else b""

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status_code, self.headers = int(status[:3]), dict(headers)

    def json(self) -> Any:
        return orjson.loads(self.content)


def fail_if_called(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Stand in for Django where a request must not reach it."""
    raise LookupError("Django was asked.")


def comparable(answer: Any) -> dict[str, Any]:
    """Status, body and headers of a response, without what differs from request to request."""
    body = dict(answer.json()) if answer.content else {}
    body.pop("request_id", None)
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING_HEADERS}
    return {"status": answer.status_code, "body": body, **headers}


def fast_requests(key: str) -> list[dict[str, Any]]:
    """Ordinary and odd requests to the fast path's addresses, as `Client.generic` takes them."""
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {key}"}
    checks = b'{"checks": [{"user_id": "ada", "feature": "sso"}]}'
    json = {"content_type": "application/json", **bearer}
    return [
        {"method": "GET", "path": ASK, **bearer},
        {"method": "HEAD", "path": ASK, **bearer},
        {"method": "OPTIONS", "path": CHECK, **bearer},
        {"method": "DELETE", "path": ASK, **bearer},
        {"method": "GET", "path": ASK},
        {"method": "GET", "path": ASK, "HTTP_AUTHORIZATION": "Bearer nonsense"},
        {"method": "GET", "path": ASK, "HTTP_AUTHORIZATION": "Bearer tg_test_" + "a" * 43},
        {"method": "GET", "path": ASK, "HTTP_AUTHORIZATION": f"bearer  {key}"},
        {"method": "GET", "path": f"{CHECK}?user_id=a%00&feature=sso", **bearer},
        {"method": "GET", "path": f"{CHECK}?user_id=ada", **bearer},
        {"method": "GET", "path": f"{ASK}&explain=1", **bearer},
        {"method": "GET", "path": f"{CHECK}/", **bearer},
        {"method": "POST", "path": CHECK, "data": checks, **json},
        {"method": "POST", "path": CHECK, "data": b"{", **json},
        {
            "method": "POST",
            "path": CHECK,
            "data": checks.replace(b"}]", b',"user_id":"x"}]'),
            **json,
        },
        {"method": "POST", "path": CHECK, "data": checks.replace(b"ada", b"\\u0061da"), **json},
        {"method": "POST", "path": CHECK, "data": checks, **json, "content_type": "text/plain"},
        {"method": "POST", "path": f"{CHECK}?surprise=1", "data": checks, **json},
        *(
            {"method": "POST", "path": path, "data": data, **json, **more}
            for path, data in [
                (CHECK, checks),
                (CONSUME, USELESS_BODIES[2]),
                (CONSUME, USELESS_BODIES[3]),
            ]
            for more in (
                {"HTTP_HOST": ""},
                {"content_type": "application/json; charset=latin-1"},
                {"content_type": "application/json; charset=utf-8"},
                {"data": data.ljust(MAX_BODY)},
                {"data": data.ljust(MAX_BODY + 1)},
                {"data": data.ljust(MAX_BODY + 2000)},
            )
        ),
        {"method": "GET", "path": ASK, **bearer, "HTTP_HOST": ""},
        {"method": "GET", "path": ASK, **bearer, "HTTP_HOST": "no host at all"},
        {"method": "POST", "path": "/api/v1/usage", "data": b"{}", **json},
        *({"method": "POST", "path": CONSUME, "data": data, **json} for data in USELESS_BODIES),
        {"method": "POST", "path": "/webhooks/stripe", "data": b"{}", **json},
        {"method": "POST", "path": "/webhooks/stripe/nobody", "data": b"{}", **json},
        {"method": "POST", "path": "/webhooks/stripe/%00", "data": b"{}", **json},
        {"method": "GET", "path": "/webhooks/stripe", **json},
    ]
