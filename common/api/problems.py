"""RFC 9457: every refusal leaves as ``application/problem+json`` with a stable code."""

from collections.abc import Iterator
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.context import request_id
from common.errors import DomainError, NotFound, Unavailable

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"

_CODES: dict[type[exceptions.APIException], tuple[str, str]] = {
    exceptions.ParseError: ("malformed-body", "The body could not be read."),
    exceptions.AuthenticationFailed: ("invalid-key", "The API key is not valid."),
    exceptions.NotAuthenticated: ("key-required", "An API key is required."),
    exceptions.PermissionDenied: ("scope-missing", "The key may not do this."),
    exceptions.NotFound: (NotFound.code, NotFound.title),
    exceptions.MethodNotAllowed: ("method-not-allowed", "The method is not allowed here."),
    exceptions.NotAcceptable: ("not-acceptable", "This service answers JSON."),
    exceptions.UnsupportedMediaType: ("unsupported-media-type", "Send application/json."),
    exceptions.Throttled: ("rate-limited", "Too many requests."),
}


def document(
    *, status: int, code: str, title: str, detail: str = "", **extra: Any
) -> dict[str, Any]:
    """The members of a problem document; ``type`` points at its entry in docs/errors.md."""
    body: dict[str, Any] = {
        "type": f"{settings.PUBLIC_URL}/docs/errors#{code}",
        "title": title,
        "status": status,
        "code": code,
    }
    if detail:
        body["detail"] = detail
    if current := request_id.get():
        body["request_id"] = current
    return {**body, **extra}


def _headers(error: DomainError) -> dict[str, str]:
    return {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}


def _document_of(error: DomainError) -> dict[str, Any]:
    return document(
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        **error.extra,
    )


def problem(error: DomainError) -> HttpResponse:
    """The same answer for views that do not run under REST framework."""
    return HttpResponse(
        orjson.dumps(_document_of(error)),
        status=error.status,
        content_type=CONTENT_TYPE,
        headers=_headers(error),
    )


def handle(exception: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler; None lets a programming error become a 500."""
    if isinstance(exception, Http404):
        exception = NotFound()
    elif isinstance(exception, PermissionDenied):
        exception = exceptions.PermissionDenied()
    elif isinstance(exception, OperationalError | InterfaceError):
        log.error("database_unavailable", error=type(exception).__name__)
        exception = Unavailable("The database is away. Try again in a few seconds.")
    if isinstance(exception, DomainError):
        return _respond(_document_of(exception), _headers(exception))
    if isinstance(exception, exceptions.ValidationError):
        return _respond(_validation(exception), {})
    if isinstance(exception, exceptions.APIException):
        return _respond(_api(exception), _api_headers(exception))
    return None


def _respond(body: dict[str, Any], headers: dict[str, str]) -> Response:
    set_rollback()
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def _validation(error: exceptions.ValidationError) -> dict[str, Any]:
    return document(
        status=422,
        code="invalid",
        title="The request is not valid.",
        detail="Correct the fields named in errors and send the request again.",
        errors=list(_flatten(error.detail)),
    )


def _flatten(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from _flatten(value, path if key == "non_field_errors" else f"{path}/{key}")
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from _flatten(value, f"{path}/{index}" if nested else path)
    else:
        code = getattr(detail, "code", "invalid")
        yield {"pointer": f"#{path}", "code": str(code), "detail": str(detail)}


def _api(error: exceptions.APIException) -> dict[str, Any]:
    code, title = next(
        (found for kind, found in _CODES.items() if isinstance(error, kind)),
        ("bad-request", "The request could not be carried out."),
    )
    return document(
        status=error.status_code, code=code, title=title, detail=str(error.detail)
    )


def _api_headers(error: exceptions.APIException) -> dict[str, str]:
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return problem(NotFound())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    body = document(status=400, code="bad-request", title="The request could not be understood.")
    return HttpResponse(orjson.dumps(body), status=400, content_type=CONTENT_TYPE)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: says nothing but the request id, which finds the log lines."""
    body = document(
        status=500,
        code="internal-error",
        title="Something went wrong on our side.",
        detail="Quote the request id to the operators.",
    )
    return HttpResponse(orjson.dumps(body), status=500, content_type=CONTENT_TYPE)
