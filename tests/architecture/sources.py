"""Our own Python files, parsed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("config", "webhooks", "billing", "entitlements", "usage", "projects", "events", "common")


@dataclass(frozen=True)
class Source:
    """One file; ``path`` is relative to the checkout."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def on_shelf(self, *shelves: str) -> bool:
        """Whether the file is on one of these shelves of its app: a package or a module."""
        return self.path.parts[1] in {*shelves, *(f"{shelf}.py" for shelf in shelves)}


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
