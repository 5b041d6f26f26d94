"""``Authorization: Bearer tg_…``: the only header that is read, the same answer for every no."""

from datetime import datetime
from typing import Any

import structlog
from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    NotAuthenticated,
    PermissionDenied,
)
from rest_framework.request import Request

from projects.errors import ProjectSuspended
from projects.keys import api_keys, key_cache
from projects.keys import bearer_keys as keys
from projects.keys.credentials import PlatformCredential, ProjectCredential
from projects.keys.selectors import credentials

CHALLENGE = 'Bearer realm="tollgate"'
REFUSAL = "Send a valid, unexpired key as 'Authorization: Bearer tg_…'."


def identify(header: bytes, *, at: datetime) -> ProjectCredential | PlatformCredential | None:
    """Whose key an ``Authorization`` header holds; None when it is empty.

    The one way in, for REST framework and for plain views. Raises AuthenticationFailed,
    ProjectSuspended.
    """
    parts = header.split()
    if not parts:
        return None
    secret = parts[1].decode("ascii", "replace") if len(parts) == 2 else ""
    found = credentials.find(secret=secret, at=at)
    if found is None or parts[0].lower() != b"bearer":
        raise AuthenticationFailed(REFUSAL)
    structlog.contextvars.bind_contextvars(key_id=found.key_id)
    if isinstance(found, ProjectCredential):
        structlog.contextvars.bind_contextvars(project_id=found.project.pk)
        if found.project.suspended_at is not None:
            raise ProjectSuspended("Ask the platform's operators why.")
    api_keys.record_use(credential=found, at=at)
    return found


def require(request: HttpRequest, *, scope: str, at: datetime) -> ProjectCredential:
    """For the hot paths: who calls, when that project's key may do this.

    No query for a key that this process knows; one that was revoked is refused within five
    seconds. Raises what REST framework would: NotAuthenticated, AuthenticationFailed,
    PermissionDenied; and ProjectSuspended.
    """
    header: str = request.META.get("HTTP_AUTHORIZATION", "")
    found = _quickly(header[7:], at=at) if header.startswith("Bearer ") else None
    if found is None:
        return _require(request, scope=scope, at=at)
    if not found.allows(scope):
        raise _without(scope)
    return found


def known(header: str, *, scope: str, at: datetime) -> ProjectCredential | None:
    """Who calls, as :func:`require` says, when that takes neither a query nor a refusal: this
    process knows the key, it may do this, and its use is written down already."""
    if not header.startswith("Bearer "):
        return None
    found = key_cache.cache.find(keys.digest(header[7:]), at=at)
    if found is None or not found.allows(scope):
        return None
    return found if api_keys.is_use_recorded(credential=found, at=at) else None


def _quickly(secret: str, *, at: datetime) -> ProjectCredential | None:
    found = credentials.find_cached(secret=secret, at=at)
    if found is not None and api_keys.record_use(credential=found, at=at):
        key_cache.cache.note_use(keys.digest(secret), at=at)
    return found


def _require(request: HttpRequest, *, scope: str, at: datetime) -> ProjectCredential:
    """The same the ordinary way, which says what is wrong."""
    try:
        header = get_authorization_header(request)  # type: ignore[arg-type]  # it reads META
        found = identify(header, at=at)
    except AuthenticationFailed as refusal:
        raise _challenging(refusal) from None
    if found is None:
        raise _challenging(NotAuthenticated())
    if not isinstance(found, ProjectCredential) or not found.allows(scope):
        raise _without(scope)
    return found


def _without(scope: str) -> PermissionDenied:
    return PermissionDenied(f"This call needs a key with the scope '{scope}'.")


def _challenging(refusal: AuthenticationFailed | NotAuthenticated) -> APIException:
    """With the ``WWW-Authenticate`` header, which REST framework adds only in its own views."""
    refusal.auth_header = CHALLENGE  # type: ignore[union-attr]  # REST framework adds it too
    return refusal


class KeyAuthentication(BaseAuthentication):
    """``request.auth`` is the caller's credential; ``request.user`` stays None."""

    def authenticate(
        self, request: Request
    ) -> tuple[None, ProjectCredential | PlatformCredential] | None:
        found = identify(get_authorization_header(request), at=timezone.now())
        return None if found is None else (None, found)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema describes the key."""

    target_class = "projects.keys.api.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A secret key of a project (tg_test_…, tg_live_…) or of the platform.",
        }
