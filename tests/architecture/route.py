"""A route of the API as the architecture tests call it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Route:
    """One method of one address; ``status`` is the answer to its owner."""

    method: str
    path: str
    scope: str
    status: int = 200
    body: dict[str, Any] | None = None
    query: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def get(path: str, scope: str, **query: str) -> Route:
    return Route("GET", path, scope, query=query)


def post(path: str, scope: str, body: dict[str, Any] | None = None, status: int = 201) -> Route:
    return Route("POST", path, scope, status=status, body=body or {})


def patch(path: str, scope: str, body: dict[str, Any], status: int = 200) -> Route:
    return Route("PATCH", path, scope, status=status, body=body)
