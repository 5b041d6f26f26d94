"""Middleware of every request: request id, access log, headers, and problem documents for
errors."""

import time
from collections.abc import Callable

import structlog
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

from common import context, proxies, request_spans
from common.api import django_refusals
from common.api.problems import plain, refusal_of
from common.ids import is_id
from common.request_metrics import record_request, route_of
from common.spans import SpanKind, TraceSpan, span

log = structlog.get_logger("tollgate.request")
Handler = Callable[[HttpRequest], HttpResponse]

FOR_PROGRAMS, FOR_BROWSERS = ("/api/v1/", "/webhooks/"), "/api/v1/billing/"
PAGE_HEADERS = (
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "X-Frame-Options",
)
METHODS_ARE_NAMED = (204, 405)
"""Statuses whose answers need ``Allow``: of OPTIONS, and of a method that is not allowed."""


class ProxyMiddleware:
    """Set ``REMOTE_ADDR`` to the client's address instead of that of a trusted proxy."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        proxies.resolve(request.META)
        return self.get_response(request)


class RequestIdMiddleware:
    """Set ``X-Request-ID``, and log one line per request, with the path but never the query.

    The request continues the trace of its caller (``traceparent``), and is a span of it.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        request_id = context.begin(
            meta.get("HTTP_X_REQUEST_ID", ""), meta.get("HTTP_TRACEPARENT", "")
        )
        with span("HTTP request", SpanKind.SERVER, begins_trace=True) as request_span:
            response = self._answer(request, request_span)
        response["X-Request-ID"] = request_id
        return response

    def _answer(self, request: HttpRequest, request_span: TraceSpan | None) -> HttpResponse:
        """Answer the request; count, log and record that it was answered."""
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        method, route, status = request.method or "", route_of(request), response.status_code
        record_request(method=method, route=route, status=status, seconds=seconds)
        request_spans.finish(request_span, method=method, route=route, status=status)
        log.info(
            "request",
            method=request.method,
            path=_named_path(request),
            status=status,
            duration_ms=round(seconds * 1000, 1),
        )
        return response


def _named_path(request: HttpRequest) -> str:
    """The path with parameter names in place of the tenant's values, because a user_id may be an
    e-mail address. Our ids stay."""
    path, match = request.path, request.resolver_match
    if match is None:
        return path
    for name, value in match.kwargs.items():
        if value and not is_id(value, str(value).partition("_")[0]):
            path = path.replace(str(value), f"{{{name}}}")
    return path


class ProblemMiddleware:
    """Turn refusals of plain Django into problem documents; a lost database becomes a 503."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return django_refusals.as_problem(request, self.get_response(request))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if django_refusals.is_page(request):
            return None
        refusal = refusal_of(exception)
        return None if refusal is None else plain(refusal)


class ApiHeadersMiddleware:
    """Remove headers that only browsers use from answers to programs.

    The fast path answers without the middleware that adds them, so all answers of the API have the
    same headers. Browsers call ``/api/v1/billing/*``, which keeps them.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        path = request.path_info
        if path.startswith(FOR_PROGRAMS) and not path.startswith(FOR_BROWSERS):
            for header in PAGE_HEADERS:
                response.headers.pop(header, None)
            remove_methods(response)
        return response


def remove_methods(response: HttpResponse) -> None:
    """Remove REST framework's ``Allow`` header from answers that are not about methods."""
    if response.status_code not in METHODS_ARE_NAMED:
        response.headers.pop("Allow", None)


class NulMiddleware:
    """Refuse URLs with NUL characters, which PostgreSQL cannot store."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        if "\x00" in request.path_info or "%00" in query or "\x00" in query:
            raise BadRequest("An address holds a NUL character.")
        return self.get_response(request)
