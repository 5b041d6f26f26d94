"""Each action names the scope that it needs; an action that names none is denied."""

from typing import Any, Protocol

from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from common.errors import DomainError


class Credential(Protocol):
    """What authentication hands to the API: whose key it is and what it may do."""

    @property
    def is_confined(self) -> bool: ...

    def allows(self, scope: str) -> bool: ...


class AppKeyConfined(DomainError):
    """The request concerns the whole project, which only a key of the project can do."""

    status, code, title = 403, "app-key-confined", "The key of an app cannot do this."


def required_scope(view: Any, method: str) -> str | None:
    """The scope that this view declares for the action or method, or None."""
    scopes: dict[str, str] = getattr(view, "scopes", {})
    return scopes.get(getattr(view, "action", None) or method.lower())


class HasScope(BasePermission):
    """Lets a call through when its key carries the scope that the action names."""

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
