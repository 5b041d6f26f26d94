"""Functions of a loaded module get the code of the changed file, and nothing else changes."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.guards.swap import NeedsFreshProcess, swap

BEFORE = """
from contextlib import contextmanager
from functools import lru_cache

MOST = 3


def is_allowed(count):
    return count <= MOST


@lru_cache(maxsize=None)
def remembered(count):
    return count + 1


@contextmanager
def block():
    yield "before"


def make_check(most):
    def check(count):
        return count <= most

    return check


check_three = make_check(3)


class Gate:
    def opens(self, key):
        return key == "right"

    @property
    def is_shut(self):
        return True

    @staticmethod
    def named():
        return "gate"
"""


@pytest.fixture
def module() -> Iterator[ModuleType]:
    new_module = ModuleType("swapped_module")
    exec(compile(BEFORE, "swapped_module.py", "exec"), new_module.__dict__)
    sys.modules["swapped_module"] = new_module
    yield new_module
    del sys.modules["swapped_module"]


def change(code: str, without: str) -> None:
    assert BEFORE.count(code) == 1
    swap("swapped_module.py", before=BEFORE, after=BEFORE.replace(code, without))


def test_whoever_has_imported_a_function_runs_its_new_body(module: ModuleType) -> None:
    imported = module.is_allowed
    assert not imported(4)
    change("return count <= MOST", "return True")
    assert imported(4)
    assert module.is_allowed is imported


def test_functions_behind_decorators_and_in_classes_are_found(module: ModuleType) -> None:
    gate = module.Gate()
    assert module.remembered(1) == 2
    change("return count + 1", "return count")
    assert module.remembered(1) == 1, "what it has remembered is forgotten"
    change('yield "before"', 'yield "after"')
    with module.block() as text:
        assert text == "after"
    change('return key == "right"', "return True")
    assert gate.opens("wrong")
    change("return True\n\n    @staticmethod", "return False\n\n    @staticmethod")
    assert not gate.is_shut
    change('return "gate"', 'return "door"')
    assert gate.named() == "door"


@pytest.mark.parametrize(
    ("code", "without"),
    [
        ("MOST = 3", "MOST = 4"),
        ("return count <= most", "return True"),
        ("def is_allowed(count):", "def is_allowed(count=0):"),
        ("@lru_cache(maxsize=None)\n", ""),
        ('    @staticmethod\n    def named():\n        return "gate"\n', ""),
    ],
)
@pytest.mark.usefixtures("module")
def test_what_is_no_body_of_a_function_needs_a_fresh_process(code: str, without: str) -> None:
    with pytest.raises(NeedsFreshProcess):
        change(code, without)


def test_a_module_that_is_not_loaded_is_read_from_its_file(tmp_path: Path) -> None:
    swap("not_loaded.py", before="x = 1", after="x = 2")
    assert "not_loaded" not in sys.modules
