"""Imports inside a room point from API, admin and tasks to services, never back."""

import ast
from collections.abc import Iterator
from functools import cache

from tests.architecture.sources import (
    APPS,
    APPS_WITH_ROOMS,
    WIRING_AND_LANGUAGE,
    Source,
    sources,
)

DOORS = ("admin", "api", "urls", "tasks", "management", "views")
"""How people and programs come in; above everything else of their room."""
WITHOUT_DOORS = (
    *("services", "mapping", "selectors", "models", "representation", "stripe"),
    "resolution",
)
HTTP_AND_QUEUE = ("rest_framework", "celery")


def test_services_import_neither_http_nor_the_task_queue() -> None:
    violations = [
        f"{source.path}: {name}"
        for source in sources()
        if source.path.parts[0] not in WIRING_AND_LANGUAGE and source.on_shelf(*WITHOUT_DOORS)
        for name in _imported(source)
        if name.split(".")[0] in HTTP_AND_QUEUE
    ]
    assert violations == []


def test_services_import_no_api_admin_or_tasks() -> None:
    violations = [
        f"{source.path}: {name}"
        for source in sources()
        if source.path.parts[0] in APPS_WITH_ROOMS and source.on_shelf(*WITHOUT_DOORS)
        for name in _imported(source)
        if name.split(".")[0] in APPS and _shelf_of(name) in DOORS
    ]
    assert violations == []


def test_selectors_import_no_service_that_writes() -> None:
    """A selector may use the pure functions of its room, which know no table."""
    violations = [
        f"{source.path}: {name}"
        for source in sources()
        if source.path.parts[0] in APPS_WITH_ROOMS and source.on_shelf("selectors")
        for name in _imported(source)
        if name.split(".")[0] in APPS and _shelf_of(name) == "services" and _touches_tables(name)
    ]
    assert violations == []


def test_every_room_says_what_it_owns() -> None:
    silent = [
        str(source.path)
        for source in sources()
        if source.path.parts[0] in APPS_WITH_ROOMS
        and len(source.path.parts) == 3
        and source.path.name == "__init__.py"
        and source.path.parts[1] not in ("management", "migrations")
        and not ast.get_docstring(source.tree)
    ]
    assert silent == []


def _imported(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@cache
def _sources_by_module() -> dict[str, Source]:
    """Each file by the dotted name that imports it."""
    return {
        ".".join(source.path.with_suffix("").parts).removesuffix(".__init__"): source
        for source in sources()
    }


def _source_of(module: str) -> Source | None:
    return _sources_by_module().get(module)


def _shelf_of(module: str) -> str:
    source = _source_of(module)
    return source.shelf if source else ""


def _touches_tables(module: str) -> bool:
    source = _source_of(module)
    return source is not None and any(
        name.startswith("django.db") and name not in ("django.db", "django.db.models")
        for name in _imported(source)
    )
