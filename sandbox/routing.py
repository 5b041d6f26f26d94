"""Routes. Each resource declares its own; ``resources.registry`` lists all resources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from sandbox.objects import Object
from sandbox.transaction import Transaction

Handler = Callable[..., Object]
"""``handler(tx, params, *ids_from_the_path) -> object``."""
Include = Callable[[Transaction, Object], Any]
"""Builds a field that is hidden unless expanded."""


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    params: type | None
    """The SDK's TypedDict of the parameters; None: only ``expand`` is accepted."""
    handler: Handler


class Routes:
    """The routes and includable fields of one resource."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self.includables: dict[tuple[str, str], Include] = {}

    def _add(self, method: str, path: str, params: type | None) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.routes.append(Route(method, path, params, handler))
            return handler

        return register

    def get(self, path: str, params: type | None = None) -> Callable[[Handler], Handler]:
        return self._add("GET", path, params)

    def post(self, path: str, params: type | None = None) -> Callable[[Handler], Handler]:
        return self._add("POST", path, params)

    def delete(self, path: str, params: type | None = None) -> Callable[[Handler], Handler]:
        return self._add("DELETE", path, params)

    def includable(self, kind: str, field: str) -> Callable[[Include], Include]:
        """Register the function that builds ``field`` of ``kind`` when a request expands it."""

        def register(include: Include) -> Include:
            self.includables[(kind, field)] = include
            return include

        return register


class Router:
    def __init__(self, resources: list[Routes]) -> None:
        self._map = Map(
            [
                Rule(route.path, methods=[route.method], endpoint=route)
                for resource in resources
                for route in resource.routes
            ],
            merge_slashes=False,
            strict_slashes=False,
        )
        self._adapter = self._map.bind("sandbox")

    def match(self, method: str, path: str) -> tuple[Route, list[str]] | None:
        """The route and the ids in the path, in the path's order; None if no route matches."""
        try:
            route, values = self._adapter.match(path, method=method)
        except HTTPException:
            return None
        return route, list(values.values())
