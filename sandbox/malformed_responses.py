"""Malformed responses, as broken proxies and outages produce them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.objects import Object


@dataclass(frozen=True)
class Malformation:
    """How a response is malformed: replaced by ``body``, or with members changed or removed.

    Members are named by path (``status_transitions.paid_at``). ``place`` selects an object of a
    list by index, ``all`` objects, or with None the list itself.
    """

    status: int = 200
    body: str | None = None
    without: list[str] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)
    place: int | str | None = "all"

    def apply(self, status: int, body: str) -> tuple[int, str]:
        """Status and body that replace this response."""
        if self.body is not None:
            return self.status, self.body
        body_data = json.loads(body)
        for target in self._targets(body_data):
            for path in self.without:
                holder, name = _find_parent(target, path)
                holder.pop(name, None)
            for path, value in self.changes.items():
                holder, name = _find_parent(target, path)
                holder[name] = value
        return status, json.dumps(body_data)

    def _targets(self, body_data: Object) -> list[Object]:
        if body_data.get("object") != "list" or self.place is None:
            return [body_data]
        data: list[Object] = body_data["data"]
        return data if self.place == "all" else data[int(self.place) :][:1]


def _find_parent(target: Object, path: str) -> tuple[Object, str]:
    """The hash that contains the member, and the member's name."""
    *names, last = path.split(".")
    for name in names:
        inner = target.get(name)
        target = inner if isinstance(inner, dict) else {}
    return target, last
