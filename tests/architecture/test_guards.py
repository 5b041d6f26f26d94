"""The code of each guard occurs once in its file, and its tests exist."""

import ast
import subprocess
from functools import cache
from pathlib import Path

from tests.guards.catalog import PAGE, ROOT, load, page
from tests.guards.runner import UNDEFINED_NAMES

GUARDS = load()


@cache
def _defined(path: Path) -> frozenset[str]:
    """Functions, classes and ``Class::method`` of a test file."""
    tree = ast.parse(path.read_text())
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}::{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef)
            }
    return frozenset(names)


def test_the_code_of_each_guard_occurs_once_in_its_file() -> None:
    moved = [guard.name for guard in GUARDS if guard.count() != 1]
    assert moved == [], "Update tests/guards/catalog.toml: their files have changed."


def test_the_code_without_a_guard_is_still_a_program(tmp_path: Path) -> None:
    """One that cannot be read, or has a name that nothing defines, would fail its tests whatever
    they are about."""
    for number, guard in enumerate(GUARDS):
        assert guard.sql or guard.code != guard.without, guard.name
        if guard.path.suffix == ".py" and not guard.sql:
            text = guard.path.read_text().replace(guard.code, guard.without)
            (tmp_path / f"{number}_{guard.path.name}").write_text(f"{text}# {guard.name}\n")
    check = subprocess.run(
        [*UNDEFINED_NAMES, tmp_path], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout


def test_each_guard_has_tests_that_exist() -> None:
    for guard in GUARDS:
        assert guard.tests, guard.name
        for test in guard.tests:
            file, _, name = test.partition("::")
            assert (ROOT / file).is_file(), (guard.name, test)
            names = _defined(ROOT / file) if name else frozenset()
            assert not name or name.partition("[")[0] in names, (guard.name, test)


def test_guard_names_are_unique() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_the_page_of_guards_is_current() -> None:
    assert PAGE.read_text() == page(GUARDS), "Run python -m tests.guards page."
