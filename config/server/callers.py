"""Identify callers before their body is read."""

import enum
from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.db import connection
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed

from common.errors import DomainError
from projects.idempotency.api import callers as api_callers
from projects.keys import bearer_keys as keys
from projects.keys import key_cache
from projects.keys.selectors import credentials
from webhooks.views import ADDRESS

API = "/api/v1/"
Environ = dict[str, Any]


class CallerStatus(enum.Enum):
    """The result of identifying a caller before the body is read."""

    KNOWN = enum.auto()
    """The caller has a valid key or token."""
    ANONYMOUS = enum.auto()
    """The route needs no key: Stripe's events, the console."""
    REFUSED = enum.auto()
    """The application refuses the request whatever the body contains."""
    UNKNOWN = enum.auto()
    """The cache does not know; the database must be queried."""


def cached_status(environ: Environ) -> CallerStatus:
    """The status from this process's cache, without a query."""
    path = environ["PATH_INFO"]
    if not path.startswith(API) or ADDRESS.fullmatch(path):
        return CallerStatus.ANONYMOUS
    secret = _secret(environ)
    if secret and key_cache.cache.find(keys.digest(secret), at=timezone.now()) is not None:
        return CallerStatus.KNOWN
    return CallerStatus.UNKNOWN


def find_status(environ: Environ) -> CallerStatus:
    """The status from the database."""
    try:
        return _find_status(environ)
    except (AuthenticationFailed, DomainError):
        return CallerStatus.REFUSED
    except Exception:  # noqa: BLE001  # without the database the application answers 503 itself
        return CallerStatus.ANONYMOUS
    finally:
        if connection.connection is not None:
            request_finished.send(sender=CallerStatus)


def _find_status(environ: Environ) -> CallerStatus:
    secret, now = _secret(environ), timezone.now()
    if secret and credentials.find_cached(secret=secret, at=now) is not None:
        return CallerStatus.KNOWN
    request = WSGIRequest({**environ, "wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"})
    return CallerStatus.REFUSED if api_callers.find(request) is None else CallerStatus.KNOWN


def _secret(environ: Environ) -> str:
    """A possible key of a project, which a process caches; empty for anything else."""
    header: str = environ.get("HTTP_AUTHORIZATION", "")
    takes_keys = not environ["PATH_INFO"].startswith(api_callers.USERS)
    return header[7:] if takes_keys and header.startswith("Bearer ") else ""
