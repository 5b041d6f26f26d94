"""Judges who calls before the body is read."""

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
    """What is known of a caller before the body is read."""

    KNOWN = enum.auto()
    """Has a valid key or token."""
    ANONYMOUS = enum.auto()
    """Calls a route that asks for none: Stripe's events, the console."""
    REFUSED = enum.auto()
    """The application refuses the request, whatever its body says."""
    UNKNOWN = enum.auto()
    """The database has to be asked."""


def remembered(environ: Environ) -> CallerStatus:
    """The standing as far as this process knows it; nothing is asked."""
    path = environ["PATH_INFO"]
    if not path.startswith(API) or ADDRESS.fullmatch(path):
        return CallerStatus.ANONYMOUS
    secret = _secret(environ)
    if secret and key_cache.cache.find(keys.digest(secret), at=timezone.now()) is not None:
        return CallerStatus.KNOWN
    return CallerStatus.UNKNOWN


def look_up(environ: Environ) -> CallerStatus:
    """The standing of a caller that this process does not know yet."""
    try:
        return _look_up(environ)
    except (AuthenticationFailed, DomainError):
        return CallerStatus.REFUSED
    except Exception:  # noqa: BLE001  # the database is away: the application says so in its words
        return CallerStatus.ANONYMOUS
    finally:
        if connection.connection is not None:
            request_finished.send(sender=CallerStatus)


def _look_up(environ: Environ) -> CallerStatus:
    secret, now = _secret(environ), timezone.now()
    if secret and credentials.find_cached(secret=secret, at=now) is not None:
        return CallerStatus.KNOWN
    request = WSGIRequest({**environ, "wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"})
    return CallerStatus.REFUSED if api_callers.find(request) is None else CallerStatus.KNOWN


def _secret(environ: Environ) -> str:
    """What may be a key of a project, which a process remembers; empty for anything else."""
    header: str = environ.get("HTTP_AUTHORIZATION", "")
    takes_keys = not environ["PATH_INFO"].startswith(api_callers.USERS)
    return header[7:] if takes_keys and header.startswith("Bearer ") else ""
