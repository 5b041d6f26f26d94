"""Parse the Python files of the product."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = (
    *("config", "devtools", "console", "webhooks", "billing", "entitlements", "usage", "projects"),
    *("events", "common"),
)

WIRING_AND_LANGUAGE = ("config", "console", "devtools", "common")
"""Above and below the subjects: nobody calls a service there."""
APPS_WITH_ROOMS = ("billing", "entitlements", "usage", "projects")
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
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def shelf(self) -> str:
        """The kind of file: a shelf of its app or room, "services" for a room's other nouns."""
        names = [part.removesuffix(".py") for part in self.path.parts[1:]]
        known = [name for name in names if name in SHELVES]
        if known:
            return known[0]
        in_room = self.path.parts[0] in APPS_WITH_ROOMS and len(names) > 1
        return "services" if in_room else names[0]

    def on_shelf(self, *shelves: str) -> bool:
        """Whether the file is on one of these shelves."""
        return self.shelf in shelves


@cache
def sources() -> tuple[Source, ...]:
    """Every file of every app, but for migrations, which are generated."""
    return tuple(_read())


def _read() -> Iterator[Source]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                text = path.read_text()
                yield Source(path.relative_to(ROOT), text, ast.parse(text))


def calls(tree: ast.AST, dotted: str) -> Iterator[int]:
    """The lines on which ``a.b`` or ``b`` is called, as it is written there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(dotted):
            yield node.lineno
