"""What surrounds every request: its id, one access-log line, and problem documents for errors."""

import time
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from common import context
from common.api.problems import problem
from common.errors import DomainError, Unavailable

log = structlog.get_logger("tollgate.request")
Handler = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """``X-Request-ID`` in and out, and one line per request (path only: never the query)."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = context.begin(request.headers.get("X-Request-ID", ""))
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )
        return response


class ProblemMiddleware:
    """Errors of plain Django views leave as problem documents too; a lost database is a 503."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        if isinstance(exception, DomainError):
            return problem(exception)
        if isinstance(exception, OperationalError | InterfaceError):
            log.error("database_unavailable", error=type(exception).__name__)
            return problem(Unavailable("The database is away. Try again in a few seconds."))
        return None
