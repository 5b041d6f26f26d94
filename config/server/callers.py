"""Identify callers before their body is read."""

import enum
import re
from io import BytesIO
from typing import Any, NamedTuple

from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.db import connection
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed

from common.errors import DomainError, Unavailable
from config.old_addresses import find_present_path
from projects.errors import ProjectSuspended
from projects.idempotency.api import callers as api_callers
from projects.keys import bearer_keys as keys
from projects.keys import key_cache
from projects.keys.selectors import credentials
from projects.limits.callers import Credential
from webhooks.views import ADDRESS

WITH_KEY = ("/api/v1/", "/graphql")
"""Beginnings of the addresses that need a key or token."""
INBOUND = re.compile(r"/api/v1/events/inbound(?:/[^/]*)?")
Environ = dict[str, Any]


class CallerStatus(enum.Enum):
    """The result of identifying a caller before the body is read."""

    KNOWN = enum.auto()
    """The caller has a valid key or token."""
    ANONYMOUS = enum.auto()
    """The route needs no key: the console, a project's page."""
    SIGNED = enum.auto()
    """The body is signed: Stripe's events, and those of an auth service."""
    KEYLESS = enum.auto()
    """The application refuses the request whatever its body contains: it has no key."""
    REFUSED = enum.auto()
    """The application refuses the request's key or token."""
    UNIDENTIFIED = enum.auto()
    """What the key is looked up in is away; the application explains that."""


class RequestSender(NamedTuple):
    """Who sends a request."""

    status: CallerStatus
    credential: Credential | None = None

    @property
    def is_refused(self) -> bool:
        return self.status in (CallerStatus.KEYLESS, CallerStatus.REFUSED)


def cached_caller(environ: Environ) -> RequestSender | None:
    """The caller from this process's cache; None if the database must be queried."""
    path = present_path(environ)
    if ADDRESS.fullmatch(path) or INBOUND.fullmatch(path):
        return RequestSender(CallerStatus.SIGNED)
    if not path.startswith(WITH_KEY):
        return RequestSender(CallerStatus.ANONYMOUS)
    if not environ.get("HTTP_AUTHORIZATION", "").strip():
        return RequestSender(CallerStatus.KEYLESS)
    secret = cacheable_key(environ)
    credential = key_cache.cache.find(keys.digest(secret), at=timezone.now()) if secret else None
    return None if credential is None else RequestSender(CallerStatus.KNOWN, credential)


def present_path(environ: Environ) -> str:
    """The path; for an address of an earlier service the one that has replaced it."""
    path: str = environ["PATH_INFO"]
    return find_present_path(path)[1] or path


def had_valid_key(environ: Environ) -> bool:
    """Whether this process has accepted the request's key before."""
    secret = cacheable_key(environ)
    return bool(secret) and key_cache.cache.has_accepted(keys.digest(secret))


def find_caller(environ: Environ) -> RequestSender:
    """The caller from the database."""
    try:
        return _find_caller(environ)
    except ProjectSuspended:
        return RequestSender(CallerStatus.KEYLESS)
    except Unavailable:
        return RequestSender(CallerStatus.UNIDENTIFIED)
    except (AuthenticationFailed, DomainError):
        return RequestSender(CallerStatus.REFUSED)
    except Exception:  # noqa: BLE001  # without the database the application answers 503 itself
        return RequestSender(CallerStatus.UNIDENTIFIED)
    finally:
        if connection.connection is not None:
            request_finished.send(sender=CallerStatus)


def _find_caller(environ: Environ) -> RequestSender:
    secret, now = cacheable_key(environ), timezone.now()
    credential: Credential | None = None
    if secret:
        credential = credentials.find_cached(secret=secret, at=now)
    if credential is None:
        bodiless = {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
        request = WSGIRequest({**environ, "PATH_INFO": present_path(environ), **bodiless})
        credential = api_callers.find(request)
    if credential is None:
        return RequestSender(CallerStatus.KEYLESS)
    return RequestSender(CallerStatus.KNOWN, credential)


def cacheable_key(environ: Environ) -> str:
    """A possible key of a project, which a process caches; empty for anything else."""
    header: str = environ.get("HTTP_AUTHORIZATION", "")
    takes_keys = not present_path(environ).startswith(api_callers.USERS)
    return header[7:] if takes_keys and header.startswith("Bearer ") else ""
