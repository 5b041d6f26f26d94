"""The fast path: usual requests to the most frequent addresses are answered before Django.

Django takes several times as long for a request and a response as the answer itself takes. So each
of these addresses has a function that gets the request as it comes from the web server. It answers
a request of the usual form with a valid key; for any other it returns None, and Django answers.
Rules are in Django's views only, and tests compare the bytes of both answers. A request that has
begun here is not repeated by Django: its error is answered here, with the functions that build
Django's own problem documents.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.core.handlers.exception import response_for_exception
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.db import connection
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host

from common import context, request_spans, spans
from common.api import django_refusals
from common.api.problems import plain, refusal_of
from common.middleware import remove_methods
from common.spans import SpanKind, span
from config.request_counter import CHECK, request_counter
from entitlements.consumption import fast_path as consumption
from entitlements.consumption.remembered_uses import RememberedUse
from entitlements.decisions.api import fast_path as checks
from projects.keys.credentials import ProjectCredential
from usage.records.api import fast_path as usage
from webhooks import fast_path as deliveries
from webhooks.services.intake import Delivery

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
Route = Callable[[Environ], tuple[int, bytes] | None]

Request = TypeVar("Request")
CONSUME = "/api/v1/entitlements/consume"

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", CHECK): checks.check,
    ("POST", CHECK): checks.check_many,
    ("POST", CONSUME): consumption.consume,
    ("POST", "/api/v1/usage"): usage.record,
}
DELIVERIES = ("/webhooks/stripe", "/api/v1/webhooks/stripe")
"""Prefixes of the addresses for Stripe's deliveries; a token follows."""
REASONS = {200: "200 OK", 201: "201 Created"}


class FastAnswer(NamedTuple):
    """An answer of the fast path."""

    status: int
    headers: Headers
    body: bytes


class FastPath:
    """A WSGI application that answers on the fast path, otherwise with ``django``."""

    def __init__(self, django: Application) -> None:
        self._django = django

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = answer_fast(environ)
        if answer is None:
            return _body_in_one_piece(self._django(environ, start_response))
        start_response(REASONS.get(answer.status) or f"{answer.status} Refused", answer.headers)
        return [answer.body]


def answer_fast(environ: Environ) -> FastAnswer | None:
    """Answer the request; return None if Django has to answer."""
    route = _route_of(environ)
    if not (route and "HTTP_IDEMPOTENCY_KEY" not in environ and is_our_host(environ)):
        return None
    started = time.perf_counter()
    request_id = context.begin(
        environ.get("HTTP_X_REQUEST_ID", ""), environ.get("HTTP_TRACEPARENT")
    )
    if spans.are_exported():
        answer = _run_in_span(route, environ, request_id)
    else:
        answer = _run(route, environ, request_id)
    if answer is not None:
        _count_answer(environ, answer, started)
    return answer


async def answer_delivery(
    environ: Environ, body: bytes, commit: Callable[[Delivery], Awaitable[bytes | None]]
) -> FastAnswer | None:
    """Answer Stripe's delivery of an event in the event loop; return None if a thread has to.

    ``commit`` commits it together with others, and returns None if it has to be stored alone.
    """
    return await _answer_committed(
        environ, lambda _: deliveries.open_delivery(environ, body), commit
    )


async def answer_use(
    environ: Environ, commit: Callable[[RememberedUse], Awaitable[bytes | None]]
) -> FastAnswer | None:
    """Answer a consumption in the event loop; return None if a thread has to.

    ``commit`` commits it together with others, and returns None if it has to be counted alone.
    """
    return await _answer_committed(environ, partial(consumption.open_use, environ), commit)


async def _answer_committed(
    environ: Environ,
    open_request: Callable[[str], Request | None],
    commit: Callable[[Request], Awaitable[bytes | None]],
) -> FastAnswer | None:
    if "HTTP_IDEMPOTENCY_KEY" in environ or spans.are_exported() or not is_our_host(environ):
        return None
    started = time.perf_counter()
    request_id = context.choose(environ.get("HTTP_X_REQUEST_ID", ""))
    try:
        request = open_request(request_id)
        body = None if request is None else await commit(request)
        if body is None:
            return None
        answer = FastAnswer(200, _headers(request_id), body)
    except Exception as error:  # noqa: BLE001  # as in Django, every error is answered
        context.begin(request_id, environ.get("HTTP_TRACEPARENT"))
        answer = _refuse(environ, error, request_id)
    _count_answer(environ, answer, started)
    return answer


def answer_cached_check(
    environ: Mapping[str, Any], count: Callable[[ProjectCredential], Headers | None]
) -> FastAnswer | None:
    """Answer a check from this process's cache; return None if it is not cached, or if ``count``,
    which counts it and returns headers for the answer, returns None.

    For the event loop: uses neither Redis nor the database. ``environ`` needs only the query and
    the headers Host, Authorization, X-Request-ID and Idempotency-Key, and traceparent where spans
    are exported.
    """
    if "HTTP_IDEMPOTENCY_KEY" in environ or not is_our_host(environ):
        return None
    started = time.perf_counter()
    cached = checks.cached_check(environ)
    limits = None if cached is None else count(cached.caller)
    if cached is None or limits is None:
        return None
    request_id = context.choose(environ.get("HTTP_X_REQUEST_ID", ""))
    request_counter.count_cached_check(started=started)
    if environ.get("HTTP_TRACEPARENT"):
        request_spans.record_cached_check(
            traceparent=environ["HTTP_TRACEPARENT"],
            route=CHECK,
            seconds=time.perf_counter() - started,
        )
    return FastAnswer(200, _headers(request_id) + limits, cached.body)


def is_our_host(environ: Mapping[str, Any]) -> bool:
    """Whether the Host header is one of ALLOWED_HOSTS; an empty one is not."""
    host = environ.get("HTTP_HOST")
    if host is None:  # as in Django; our web server always sets HTTP_HOST, if only to ""
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


def _count_answer(environ: Environ, answer: FastAnswer, started: float) -> None:
    request_counter.count_answer(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        route=_pattern_of(environ["PATH_INFO"]),
        status=answer.status,
        started=started,
    )


def _pattern_of(path: str) -> str:
    """The route as the ordinary path names it."""
    prefix = path.rpartition("/")[0]
    return f"{prefix}/{{token}}" if prefix in DELIVERIES else path


def _run_in_span(route: Route, environ: Environ, request_id: str) -> FastAnswer | None:
    """Run the route in a span, which is dropped if Django answers. A check begins no trace."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    with span("HTTP request", SpanKind.SERVER, begins_trace=path != CHECK) as request_span:
        answer = _run(route, environ, request_id)
        if answer is not None:
            request_spans.finish(
                request_span, method=method, route=_pattern_of(path), status=answer.status
            )
        elif request_span is not None:
            request_span.drop()
    return answer


def _run(route: Route, environ: Environ, request_id: str) -> FastAnswer | None:
    try:
        result = route(environ)
    except Exception as error:  # noqa: BLE001  # as in Django, every error is answered
        return _refuse(environ, error, request_id)
    finally:
        if connection.connection is not None:  # the database was used: Django closes the connection
            request_finished.send(sender=FastPath)
    if result is None:
        return None
    status, body = result
    return FastAnswer(status, _headers(request_id), body)


def _refuse(environ: Environ, error: Exception, request_id: str) -> FastAnswer:
    """Answer an error with the problem document of Django's views."""
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
    """Join the body: the server sends a list at once, with its length, and any other body in
    chunks."""
    if not isinstance(response, HttpResponse):
        return response
    response.close()
    return [response.content]
