"""The list of guards, read from ``catalog.toml``, and the page that is made of it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CATALOG = Path(__file__).with_name("catalog.toml")
PAGE = ROOT / "docs" / "guards.md"
HEAD = """\
# Guards, and the test of each

A guard is a line that looks as if nothing needed it. Each one below is removed by `make chaos` in a
copy of the code, one at a time, and a test beside it must fail. `tests/guards/catalog.toml` says
how each is removed; this page is made of it by `python -m tests.guards page`.
"""
COLUMNS = ["", "| guard | where | without it | tests |", "|---|---|---|---|"]


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: ``code`` occurs exactly once in ``file``, and ``without`` replaces it."""

    name: str
    harm: str
    """What happens to whom without it."""
    file: str
    code: str
    tests: tuple[str, ...]
    """Ids for pytest; at least one of their tests fails without the guard."""
    without: str = ""
    """The code without the guard: a program that runs."""
    sql: str = ""
    """Of a guard that PostgreSQL keeps: the statement that takes it out of a migrated database.
    ``code`` is then what declares it, and stays."""

    @property
    def path(self) -> Path:
        return ROOT / self.file

    def count(self, root: Path = ROOT) -> int:
        """How often its code stands in its file: once, unless the catalog is out of date."""
        path = root / self.file
        return path.read_text().count(self.code) if path.exists() else 0

    def remove(self, root: Path) -> str:
        """Take it out of the copy of the code below ``root``; the file's text before."""
        path = root / self.file
        before = path.read_text()
        if not self.sql:
            path.write_text(before.replace(self.code, self.without))
        return before


def load() -> list[Guard]:
    """Every guard, in the order of the file."""
    entries = tomllib.loads(CATALOG.read_text())["guard"]
    return [Guard(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def page(guards: list[Guard]) -> str:
    """The page for readers: guard, place, harm, tests; by app."""
    by_app: dict[str, list[Guard]] = {}
    for guard in guards:
        by_app.setdefault(guard.file.partition("/")[0], []).append(guard)
    sections = [
        line
        for app, guards_of_app in by_app.items()
        for line in ["", f"## {app}", *COLUMNS, *_rows(guards_of_app)]
    ]
    return "\n".join([HEAD, f"There are {len(guards)}.", *sections, ""])


def _rows(guards: list[Guard]) -> list[str]:
    return [
        f"| {guard.name} | `{guard.file}` | {guard.harm} | {_tests(guard)} |" for guard in guards
    ]


def _tests(guard: Guard) -> str:
    return "<br>".join(f"`{test.removeprefix('tests/')}`" for test in guard.tests)
