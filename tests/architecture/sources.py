"""Parse the Python files of the product."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = (
    *(
        "config",
        "devtools",
        "console",
        "graph_api",
        "rpc",
        "delivery",
        "webhooks",
        "billing",
        "entitlements",
        "usage",
        "projects",
    ),
    *("events", "common"),
)

WIRING_AND_LANGUAGE = ("config", "console", "devtools", "common")
"""Above and below the subjects: nobody calls a service there."""
APPS_WITH_ROOMS = ("billing", "entitlements", "usage", "projects", "events", "delivery")
SHELVES = frozenset(
    {
        *("admin", "api", "urls", "tasks", "management", "views", "fast_path"),
        *("services", "mapping", "representation", "selectors", "models", "stripe"),
        "resolution",
        *("errors", "conf", "apps", "migrations"),
    }
)


@dataclass(frozen=True)
class Source:
    """One file; ``path`` is relative to the checkout."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree, which is walked once for all tests."""
        return tuple(ast.walk(self.tree))

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def shelf(self) -> str:
        """The kind of file: a shelf of its app or room, "services" for a room's other nouns."""
        names = [part.removesuffix(".py") for part in self.path.parts[1:]]
        shelves = [name for name in names if name in SHELVES]
        if shelves:
            return shelves[0]
        in_room = self.path.parts[0] in APPS_WITH_ROOMS and len(names) > 1
        return "services" if in_room else names[0]

    def on_shelf(self, *shelves: str) -> bool:
        """Whether the file is on one of these shelves."""
        return self.shelf in shelves


@cache
def sources() -> tuple[Source, ...]:
    """Every file of every app, but for migrations, which are generated."""
    return tuple(source for app in APPS for source in sources_of(app))


@cache
def sources_of(package: str) -> tuple[Source, ...]:
    """Every file of a package at the top of the checkout, but for migrations."""
    return tuple(_read(package))


def _read(package: str) -> Iterator[Source]:
    for path in sorted((ROOT / package).rglob("*.py")):
        if "migrations" not in path.parts:
            yield Source(path.relative_to(ROOT), path.read_text())


def calls(source: Source, dotted: str) -> Iterator[int]:
    """The lines on which ``a.b`` or ``b`` is called, as it is written there."""
    for node in source.nodes:
        if isinstance(node, ast.Call) and called_name(node).endswith(dotted):
            yield node.lineno


def called_name(call: ast.Call) -> str:
    """The function as it is written in the call: ``a.b``."""
    function, names = call.func, []
    while isinstance(function, ast.Attribute):
        names.append(function.attr)
        function = function.value
    names.append(function.id if isinstance(function, ast.Name) else ast.unparse(function))
    return ".".join(reversed(names))
