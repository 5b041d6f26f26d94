"""Addresses of earlier services, answered by what has replaced them until they end.

A request is served at its present address: the same views, keys, signatures, CORS and idempotency.
Its answer says what to call instead (docs/compatibility.md).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

log = structlog.get_logger("tollgate.request")

DEPRECATED_AT = datetime(2026, 11, 24, tzinfo=UTC)
SUNSET_AT = datetime(2027, 12, 31, tzinfo=UTC)
"""From then on these addresses may be gone."""
OLD_ADDRESSES: dict[str, tuple[re.Pattern[str], str]] = {
    "/webhook": (re.compile(r"/webhook/?"), "/webhooks/stripe"),
    "/api/api/v1/billing": (re.compile(r"/api/api/v1/billing/(.+?)/?"), r"/api/v1/billing/\1"),
}
"""By name: the pattern of an old path, and the present path."""


class OldAddressMiddleware:
    """Serve requests to old addresses. Their answers have ``Deprecation`` (RFC 9745), ``Sunset``
    (RFC 8594) and ``Link``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name, present = find_present_path(request.path_info)
        if present is None:
            return self.get_response(request)
        request.path = request.path_info = request.META["PATH_INFO"] = present
        response = self.get_response(request)
        response["Deprecation"] = f"@{int(DEPRECATED_AT.timestamp())}"
        response["Sunset"] = http_date(SUNSET_AT.timestamp())
        response["Link"] = f'<{settings.PUBLIC_URL}{present}>; rel="successor-version"'
        log.info("old_address", address=name, status=response.status_code)
        return response


def find_present_path(path: str) -> tuple[str, str | None]:
    """The name of the old address, and the path that has replaced this one; None if it is not an
    old one."""
    for name, (pattern, present) in OLD_ADDRESSES.items():
        if match := pattern.fullmatch(path):
            return name, match.expand(present)
    return "", None
