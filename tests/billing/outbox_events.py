"""Read the outbox events of a project."""

from typing import Any

from events.models import OutboxEvent
from projects.models import Project


def events(project: Project, *prefixes: str) -> list[OutboxEvent]:
    """Oldest first; only types that start with one of the prefixes, if any are given."""
    rows = OutboxEvent.objects.for_project(project).order_by("id")
    return [row for row in rows if not prefixes or row.type.startswith(prefixes)]


def types(project: Project, *prefixes: str) -> list[str]:
    return [row.type for row in events(project, *prefixes)]


def last(project: Project, type_: str) -> OutboxEvent:
    return events(project, type_)[-1]


def changed(project: Project, type_: str) -> dict[str, Any]:
    """The old values that the last event of this type names."""
    return dict(last(project, type_).previous)
