"""``Authorization: Bearer tg_…``: the only header that is read, the same answer for every no."""

from typing import Any

import structlog
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from projects.credentials import PlatformCredential, ProjectCredential
from projects.selectors import credentials
from projects.services import api_keys

REFUSAL = "Send a valid, unexpired key as 'Authorization: Bearer tg_…'."


class KeyAuthentication(BaseAuthentication):
    """``request.auth`` is the caller's credential; ``request.user`` stays None."""

    def authenticate(
        self, request: Request
    ) -> tuple[None, ProjectCredential | PlatformCredential] | None:
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        secret = parts[1].decode("ascii", "replace") if len(parts) == 2 else ""
        now = timezone.now()
        found = credentials.find(secret=secret, at=now)
        if found is None or parts[0].lower() != b"bearer":
            raise AuthenticationFailed(REFUSAL)
        structlog.contextvars.bind_contextvars(key_id=found.key_id)
        if isinstance(found, ProjectCredential):
            structlog.contextvars.bind_contextvars(project_id=found.project.pk)
        api_keys.note_use(credential=found, at=now)
        return None, found

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="tollgate"'


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema describes the key."""

    target_class = "projects.api.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A secret key of a project (tg_test_…, tg_live_…) or of the platform.",
        }
