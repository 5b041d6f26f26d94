"""The code of each guard occurs once in its file, and its tests exist."""

import ast
from pathlib import Path

import pytest

from tests.guards.catalog import PAGE, ROOT, Guard, load, page

GUARDS = load()


def _defined(path: Path) -> set[str]:
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
    return names


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_code_of_each_guard_occurs_once_in_its_file(guard: Guard) -> None:
    assert guard.count() == 1, f"Update tests/guards/catalog.toml: {guard.file} has changed."
    assert guard.tests


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_code_without_a_guard_still_compiles(guard: Guard) -> None:
    """One that cannot be read would fail its tests whatever they are about."""
    assert guard.sql or guard.code != guard.without
    if guard.path.suffix == ".py" and not guard.sql:
        ast.parse(guard.path.read_text().replace(guard.code, guard.without))


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_each_guard_has_tests_that_exist(guard: Guard) -> None:
    for test in guard.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file()
        assert not name or name.partition("[")[0] in _defined(ROOT / file), test


def test_guard_names_are_unique() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_the_page_of_guards_is_current() -> None:
    assert PAGE.read_text() == page(GUARDS), "Run python -m tests.guards page."
