"""The permission class refuses actions without a scope and keys that lack it."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate

from projects.keys.api.views import ProjectViewSet


class Key:
    """A key with every scope."""

    is_confined = False

    def allows(self, scope: str) -> bool:
        return True


class ScopelessView(ProjectViewSet):
    """An action that somebody has added without saying which scope it needs."""

    scopes = {"list": "things:read"}

    def list(self, request: Request) -> Response:
        return Response([])

    def create(self, request: Request) -> Response:
        return Response({}, status=201)


def status_of(method: str) -> int:
    request = getattr(APIRequestFactory(), method)("/things", format="json")
    key: Any = Key()
    force_authenticate(request, token=key)
    view = ScopelessView.as_view({"get": "list", "post": "create"})
    status: int = view(request).status_code
    return status


def test_an_action_that_names_no_scope_is_refused_to_every_key() -> None:
    assert status_of("get") == 200
    assert status_of("post") == 403
