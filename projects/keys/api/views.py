"""The base of every tenant-facing view: the project comes from the key, never from the input."""

import re
from itertools import islice
from typing import Any, ClassVar

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, DictField, ValidationError
from rest_framework.viewsets import GenericViewSet

from common.api.problems import MAX_ERRORS
from projects.models import Project

PAIR = re.compile(r"([a-z_]{1,40})\[([^\[\]]{1,40})\]")
"""A query parameter that is one pair of a field."""


class ProjectViewSet(GenericViewSet[Any]):
    # No docstring: drf-spectacular would publish it for every action that has none of its own.

    scopes: ClassVar[dict[str, str]] = {}
    """The scope that each action needs. An action without one is denied."""
    project_only: ClassVar[frozenset[str]] = frozenset()
    """Actions that are denied to the key of an app, whatever its scopes are."""
    query: ClassVar[dict[str, type[BaseSerializer[Any]]]] = {}
    """The serializer of an action's query parameters. An action without one accepts the paging
    parameters of a list only. Unknown and repeated parameters are refused."""
    paging_parameters: ClassVar[frozenset[str]] = frozenset({"limit", "cursor"})
    transactional: ClassVar[bool] = False
    """True promises that every action only writes to the database. The answer that is kept for an
    ``Idempotency-Key`` then commits in the same transaction as the work. Leave it False for a view
    that calls Stripe: no transaction may be open during a network call."""

    @property
    def calling_project(self) -> Project:
        """The project whose key made this call."""
        project: Project = self.request.auth.project  # type: ignore[union-attr]
        return project

    @property
    def actor(self) -> str:
        """Name of the caller in the audit trail."""
        actor: str = self.request.auth.actor  # type: ignore[union-attr]
        return actor

    def parse_body(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """The validated body; raises a 422 that names each wrong field."""
        return self._validated(serializer, self.request.data)

    def parse_query(self) -> dict[str, Any]:
        """The validated query parameters of this action; unknown ones are a 422."""
        serializer = self.query.get(self.action or "")
        parameters = _with_pairs(self._query_parameters(), serializer)
        if serializer is not None:
            return self._validated(serializer, parameters)
        if parameters:
            names = islice(parameters, MAX_ERRORS)
            raise ValidationError({name[:100]: ["This parameter is not known."] for name in names})
        return {}

    def _query_parameters(self) -> dict[str, str]:
        parameters = self.request.query_params
        repeated = [name for name, values in parameters.lists() if len(values) > 1]
        if repeated:
            raise ValidationError(
                {name[:100]: ["This parameter is repeated."] for name in repeated[:MAX_ERRORS]}
            )
        paging = self.paging_parameters if self.action == "list" else frozenset()
        return {name: parameters[name] for name in parameters if name not in paging}

    def _validated(self, serializer: type[BaseSerializer[Any]], data: Any) -> dict[str, Any]:
        parsed = serializer(data=data, context=self.get_serializer_context())
        parsed.is_valid(raise_exception=True)
        validated: dict[str, Any] = parsed.validated_data
        return validated

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.query_values = self.parse_query()

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """The allowed methods, in the ``Allow`` header."""
        return Response(status=204)


def _with_pairs(
    parameters: dict[str, Any], serializer: type[BaseSerializer[Any]] | None
) -> dict[str, Any]:
    """The parameters with those like ``metadata[order]=17`` collected in one member per field of
    pairs. Others keep their names, so that they are refused as unknown."""
    fields: dict[str, Any] = getattr(serializer(), "fields", {}) if serializer is not None else {}
    collected: dict[str, Any] = {}
    for name, value in parameters.items():
        match = PAIR.fullmatch(name)
        if match and isinstance(fields.get(match[1]), DictField):
            collected.setdefault(match[1], {})[match[2]] = value
        else:
            collected[name] = value
    return collected
