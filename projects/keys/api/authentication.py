"""Authenticate requests by ``Authorization: Bearer tg_…``.

Every refused key gets the same answer.
"""

from datetime import datetime
from typing import Any

import structlog
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from common.context import begin_tenant
from projects.errors import ProjectSuspended
from projects.keys import api_keys, key_cache
from projects.keys import bearer_keys as keys
from projects.keys.credentials import PlatformCredential, ProjectCredential
from projects.keys.selectors import credentials

CHALLENGE = 'Bearer realm="tollgate"'
REFUSAL = "Send a valid, unexpired key as 'Authorization: Bearer tg_…'."


def identify(header: bytes, *, at: datetime) -> ProjectCredential | PlatformCredential | None:
    """The credential of the key in an ``Authorization`` header; None when the header is empty.

    Raises AuthenticationFailed, ProjectSuspended.
    """
    parts = header.split()
    if not parts:
        return None
    secret = parts[1].decode("ascii", "replace") if len(parts) == 2 else ""
    credential = credentials.find(secret=secret, at=at)
    if credential is None or parts[0].lower() != b"bearer":
        raise AuthenticationFailed(REFUSAL)
    structlog.contextvars.bind_contextvars(key_id=credential.key_id)
    if isinstance(credential, ProjectCredential):
        begin_tenant(credential.project.pk)
        if credential.project.suspended_at is not None:
            raise ProjectSuspended("Ask the platform's operators why.")
    api_keys.record_use(credential=credential, at=at)
    return credential


def find_caller(header: str, *, scope: str, at: datetime) -> ProjectCredential | None:
    """For the fast path: the caller if its project key has the scope, else None.

    A key that this process has cached needs no query; a revoked key is refused within five
    seconds. Records the use of the key if that is due.
    """
    if not header.startswith("Bearer "):
        return None
    secret = header[7:]
    credential = credentials.find_cached(secret=secret, at=at)
    if credential is None or not credential.allows(scope):
        return None
    if api_keys.record_use(credential=credential, at=at):
        key_cache.cache.note_use(keys.digest(secret), at=at)
    return credential


def known_caller(header: str, *, scope: str, at: datetime) -> ProjectCredential | None:
    """Like :func:`find_caller`, but None if it would need a query: the key must be cached in this
    process, and its use recorded within the last minute."""
    if not header.startswith("Bearer "):
        return None
    credential = key_cache.cache.find(keys.digest(header[7:]), at=at)
    if credential is None or not credential.allows(scope):
        return None
    return credential if api_keys.is_use_recorded(credential=credential, at=at) else None


class KeyAuthentication(BaseAuthentication):
    """``request.auth`` is the caller's credential; ``request.user`` stays None."""

    def authenticate(
        self, request: Request
    ) -> tuple[None, ProjectCredential | PlatformCredential] | None:
        credential = identify(get_authorization_header(request), at=timezone.now())
        return None if credential is None else (None, credential)

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
