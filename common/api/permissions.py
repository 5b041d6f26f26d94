"""Each action names its scope; an action without a scope is denied."""

from typing import Any, Protocol

from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from common.errors import DomainError


class Credential(Protocol):
    """The result of authentication: the key's limits."""

    @property
    def is_confined(self) -> bool: ...

    def allows(self, scope: str) -> bool: ...


class AppKeyConfined(DomainError):
    """The request concerns the whole project, which only a key of the project can do."""

    status, code, title = 403, "app-key-confined", "The key of an app cannot do this."


def required_scope(view: Any, method: str) -> str | None:
    """The scope that the view declares for the action or method; None without one."""
    scopes: dict[str, str] = getattr(view, "scopes", {})
    return scopes.get(getattr(view, "action", None) or method.lower())


class HasScope(BasePermission):
    """Allow a request whose key has the scope of the action."""

    def has_permission(self, request: Request, view: Any) -> bool:
        credential: Any = request.auth
        if credential is None:
            return False
        method = request.method or ""
        if method == "OPTIONS":
            return True
        if method not in view.allowed_methods:
            raise MethodNotAllowed(method)
        scope = required_scope(view, method)
        if scope is None:
            raise PermissionDenied("No key may do this.")
        if not credential.allows(scope):
            raise PermissionDenied(f"This call needs a key with the scope '{scope}'.")
        if credential.is_confined and view.action in getattr(view, "project_only", ()):
            raise AppKeyConfined("It belongs to the project as a whole: use a key of the project.")
        return True
