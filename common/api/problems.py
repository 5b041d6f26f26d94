"""RFC 9457: every refusal is ``application/problem+json`` with a stable code."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.api.parsers import BodyTooLarge, BodyTooSlow
from common.context import request_id
from common.errors import DomainError, NotFound, Unauthorized, Unavailable

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
MAX_ERRORS = 100
"""Most errors in one document."""
MAX_DETAIL = 1000
"""Most characters of a detail, which may repeat input of the caller."""
MAX_STEP = 100
"""Most characters of one step of a pointer: member names come from the caller, too."""

CODES: dict[type[exceptions.APIException], tuple[str, str]] = {
    exceptions.ParseError: ("malformed-body", "The body could not be read."),
    exceptions.AuthenticationFailed: ("invalid-key", "The API key is not valid."),
    exceptions.NotAuthenticated: ("key-required", "An API key is required."),
    exceptions.PermissionDenied: ("scope-missing", "The key may not do this."),
    exceptions.NotFound: (NotFound.code, NotFound.title),
    exceptions.MethodNotAllowed: ("method-not-allowed", "The method is not allowed here."),
    exceptions.UnsupportedMediaType: ("unsupported-media-type", "Send application/json."),
    BodyTooLarge: ("body-too-large", "The body is too large."),
    BodyTooSlow: ("body-too-slow", "The body took too long to arrive."),
    exceptions.Throttled: ("rate-limited", "Too many requests."),
}
"""Codes and titles of REST framework's own errors; ours declare them in their classes."""


def document(
    *, status: int, code: str, title: str, detail: str = "", **extra: Any
) -> dict[str, Any]:
    """The members of a problem document; ``type`` is the address that explains the code."""
    body: dict[str, Any] = {
        "type": f"{settings.PUBLIC_URL}/docs/errors#{code}",
        "title": title,
        "status": status,
        "code": code,
    }
    if detail:
        body["detail"] = _shortened(detail)
    if current := request_id.get():
        body["request_id"] = current
    return {**body, **extra}


def problem(error: DomainError) -> HttpResponse:
    """The answer to a DomainError outside REST framework."""
    return render(_domain(error), _domain_headers(error))


def plain(error: DomainError | exceptions.APIException) -> HttpResponse:
    """The answer to a DomainError or an error of REST framework, outside REST framework."""
    return render(*_body_and_headers(error))


def document_of(error: DomainError | exceptions.APIException) -> dict[str, Any]:
    """The problem document of the error."""
    return _body_and_headers(error)[0]


def render(body: dict[str, Any], headers: dict[str, str] | None = None) -> HttpResponse:
    """The document as an HTTP response."""
    return HttpResponse(
        orjson.dumps(body), status=body["status"], content_type=CONTENT_TYPE, headers=headers
    )


def handle(exception: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler; None turns a programming error into a 500."""
    refusal = refusal_of(exception)
    if refusal is None:
        return None
    body, headers = _body_and_headers(refusal)
    set_rollback()
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def refusal_of(exception: Exception) -> DomainError | exceptions.APIException | None:
    """The refusal that this exception stands for; None for a programming error."""
    if isinstance(exception, DomainError | exceptions.APIException):
        return exception
    if isinstance(exception, Http404):
        return NotFound()
    if isinstance(exception, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exception, RequestDataTooBig):
        return BodyTooLarge()
    if isinstance(exception, UnreadablePostError):
        return exceptions.ParseError("The body ended early.")
    if isinstance(exception, OperationalError | InterfaceError):
        log.error("database_unavailable", error=type(exception).__name__)
        return Unavailable("The database is away or too busy. Try again in a few seconds.")
    return None


def _body_and_headers(
    error: DomainError | exceptions.APIException,
) -> tuple[dict[str, Any], dict[str, str]]:
    if isinstance(error, DomainError):
        return _domain(error), _domain_headers(error)
    if isinstance(error, exceptions.ValidationError):
        return _validation(error), {}
    return _api(error), _api_headers(error)


def _domain(error: DomainError) -> dict[str, Any]:
    return document(
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        **error.extra,
    )


def _domain_headers(error: DomainError) -> dict[str, str]:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = error.challenge
    return headers


def _validation(error: exceptions.ValidationError) -> dict[str, Any]:
    errors = list(islice(_flatten(error.detail), MAX_ERRORS))
    more = f" The first {MAX_ERRORS} are named." if len(errors) == MAX_ERRORS else ""
    return document(
        status=422,
        code="invalid",
        title="The request is not valid.",
        detail=f"Correct the fields named in errors and send the request again.{more}",
        errors=errors,
    )


def _flatten(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from _flatten(value, path if key == "non_field_errors" else _below(path, key))
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from _flatten(value, _below(path, index) if nested else path)
    else:
        code = getattr(detail, "code", "invalid")
        yield {"pointer": f"#{path}", "code": str(code), "detail": _shortened(str(detail))}


def _below(path: str, key: object) -> str:
    """The path extended by one step of a JSON pointer (RFC 6901)."""
    step = str(key)[:MAX_STEP].replace("~", "~0").replace("/", "~1")
    return f"{path}/{step}"


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_DETAIL else f"{text[: MAX_DETAIL - 1]}…"


def _api(error: exceptions.APIException) -> dict[str, Any]:
    code, title = next(
        (entry for kind, entry in CODES.items() if isinstance(error, kind)),
        (DomainError.code, DomainError.title),
    )
    return document(status=error.status_code, code=code, title=title, detail=str(error.detail))


def _api_headers(error: exceptions.APIException) -> dict[str, str]:
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers
