"""Each action names the scope that it needs; an action that names none is denied."""

from typing import Any, Protocol

from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class Credential(Protocol):
    """What authentication hands to the API: whose key it is and what it may do."""

    def allows(self, scope: str) -> bool: ...


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
        return True
