"""The fast path: usual requests to the hot addresses are answered before Django.

To make a request and a response, Django takes several times what the answer itself takes. So each
hot address has a function that looks at the request as it comes from the web server. It answers
when the request is written as nearly all are and its key is valid; for anything else it returns
None, and Django answers. Rules are written in Django's views only, and tests compare the bytes of
both. What has begun here is not tried again by Django: its error is answered here, by the functions
that make Django's own problem documents.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.handlers.exception import response_for_exception
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.db import connection
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host

from common import context
from common.api import django_refusals
from common.api.problems import plain, refusal_of
from common.middleware import remove_methods
from config.request_counter import request_counter
from entitlements.consumption import fast_path as consumption
from entitlements.decisions.api import fast_path as checks
from usage.records.api import fast_path as usage
from webhooks import fast_path as deliveries

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
Route = Callable[[Environ], tuple[int, bytes] | None]

CHECK = "/api/v1/entitlements/check"
ROUTES: dict[tuple[str, str], Route] = {
    ("GET", CHECK): checks.check,
    ("POST", CHECK): checks.check_many,
    ("POST", "/api/v1/entitlements/consume"): consumption.consume,
    ("POST", "/api/v1/usage"): usage.record,
}
DELIVERIES = ("/webhooks/stripe", "/api/v1/webhooks/stripe")
"""Where addresses of Stripe's deliveries begin; the rest is a token."""
REASONS = {200: "200 OK", 201: "201 Created"}


class FastAnswer(NamedTuple):
    """An answer of the fast path."""

    status: int
    headers: Headers
    body: bytes


class FastPath:
    """A WSGI application: answers on the fast path, else by ``django``."""

    def __init__(self, django: Application) -> None:
        self._django = django

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = answer_fast(environ)
        if answer is None:
            return _body_in_one_piece(self._django(environ, start_response))
        start_response(REASONS.get(answer.status) or f"{answer.status} Refused", answer.headers)
        return [answer.body]


def answer_fast(environ: Environ) -> FastAnswer | None:
    """Answer the request, or return None when Django has to."""
    route = _route_of(environ)
    if not (route and "HTTP_IDEMPOTENCY_KEY" not in environ and is_our_host(environ)):
        return None
    started = time.perf_counter()
    request_id = context.begin(environ.get("HTTP_X_REQUEST_ID", ""))
    answer = _run(route, environ, request_id)
    if answer is not None:
        request_counter.count_answer(
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"],
            status=answer.status,
            started=started,
        )
    return answer


def copied_check(environ: Mapping[str, Any]) -> FastAnswer | None:
    """Answer a check of which this process has a copy, else None.

    For the event loop: neither Redis nor the database is asked. ``environ`` needs the query and the
    headers Host, Authorization, X-Request-ID and Idempotency-Key only.
    """
    if "HTTP_IDEMPOTENCY_KEY" in environ or not is_our_host(environ):
        return None
    started = time.perf_counter()
    body = checks.copied_check(environ)
    if body is None:
        return None
    request_id = context.choose(environ.get("HTTP_X_REQUEST_ID", ""))
    request_counter.count_answer(method="GET", path=CHECK, status=200, started=started)
    return FastAnswer(200, _headers(request_id), body)


def is_our_host(environ: Mapping[str, Any]) -> bool:
    """Whether the request was meant for one of ALLOWED_HOSTS; an empty Host is none of them."""
    host = environ.get("HTTP_HOST")
    if host is None:  # as Django does; the web server always says, if only that there is none
        host = environ["SERVER_NAME"]
    return _is_allowed(host, tuple(settings.ALLOWED_HOSTS))


@lru_cache(maxsize=1024)
def _is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


def _route_of(environ: Environ) -> Route | None:
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    route = ROUTES.get((method, path))
    if route is None and method == "POST" and path.startswith(DELIVERIES):
        return deliveries.take_in
    return route


def _run(route: Route, environ: Environ, request_id: str) -> FastAnswer | None:
    try:
        result = route(environ)
    except Exception as error:  # noqa: BLE001  # as in Django, every error is answered
        return _refuse(environ, error, request_id)
    finally:
        if connection.connection is not None:  # the database was used: Django lets go of it
            request_finished.send(sender=FastPath)
    if result is None:
        return None
    status, body = result
    return FastAnswer(status, _headers(request_id), body)


def _refuse(environ: Environ, error: Exception, request_id: str) -> FastAnswer:
    """Answer an error with the problem document that Django's views give it."""
    refusal = refusal_of(error)
    if refusal is not None:
        response = plain(refusal)
    else:
        request = WSGIRequest(environ)
        response = django_refusals.as_problem(request, response_for_exception(request, error))
    remove_methods(response)
    headers = dict(_headers(request_id)) | dict(response.items())
    return FastAnswer(response.status_code, list(headers.items()), response.content)


def _headers(request_id: str) -> Headers:
    return [
        ("Content-Type", "application/json"),
        ("X-Request-ID", request_id),
        ("X-Content-Type-Options", "nosniff"),
    ]


def _body_in_one_piece(response: Iterable[bytes]) -> Iterable[bytes]:
    """The server sends a list at once, with its length; it fetches any other body in pieces."""
    if not isinstance(response, HttpResponse):
        return response
    response.close()
    return [response.content]
