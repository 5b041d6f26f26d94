"""Libraries are used by their documented names: an ordinary upgrade must not break us.

The few private names that remain are listed here, each with its reason; the list is exact.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from django.urls import get_resolver

import graph_api.schema  # noqa: F401  # no other test has to import it first
import sandbox.http_client  # noqa: F401
from tests.architecture.sources import ROOT
from tests.architecture.test_words import PACKAGES

EVERYWHERE = (*PACKAGES, "tests", "benchmarks")
DOCUMENTED = frozenset(
    {
        *("_meta", "_state", "_default_manager", "_base_manager"),  # Django's models
        *("_asdict", "_fields", "_make", "_replace"),  # named tuples
        *("_exit", "_typeshed"),  # os, and the types of the standard library
    }
)
USED = {
    # Marks a transaction of a test as Django's own test cases do.
    "tests/transactions.py": {"_from_testcase"},
    # Unfold tells its templates only which actions a page has.
    "tests/console/pages.py": {"_get_base_actions_detail", "_get_base_actions_list"},
    # The SDK's encoding of nested parameters, which the sandbox has to decode.
    "tests/sandbox/test_strictness.py": {"_api_encode", "_encode"},
}
OVERRIDDEN = {
    # The SDK waits between its tries and offers no setting; a test of retries would wait with it.
    "sandbox.http_client.SandboxHTTPClient._sleep_time_seconds",
}

NAME = r"(_[a-z]\w*(?<!_))"
MENTIONED = re.compile(rf"""[\w)\]]\.{NAME}|(?:attr|setdefault)\([^"'\n]*["']{NAME}""")
IMPORT = re.compile(r"^ *from ([\w.]+) import (\([^)]*\)|.*)", re.MULTILINE)
DEFINED = re.compile(
    rf"(?:def|class|for|as) {NAME}|(?:self|cls)\.{NAME}(?:: |,| =)"
    rf"|[(,*] ?{NAME}[:,=)]|^ *{NAME}[:,]? ",
    re.MULTILINE,
)


def test_no_private_name_of_a_library_but_those_listed_is_used() -> None:
    used = {path: names for path, text in _texts().items() if (names := _foreign(text))}
    assert used == USED


def test_no_private_method_of_a_library_but_those_listed_is_overridden() -> None:
    assert get_resolver().url_patterns  # imports every view
    modules = [each for name, each in sys.modules.items() if name.partition(".")[0] in PACKAGES]
    assert {name for module in modules for name in _overridden(module)} == OVERRIDDEN


def test_a_private_name_is_told_from_our_own() -> None:
    text = (
        "from stripe._encode import encode\nrows._result_cache = []\n"
        "rows.__dict__.setdefault('_prefetched', {})\ngetattr(rows, '_hints')\n"
        "row._meta, self._client(row.__class__), sources._tree_cache"
    )
    assert _foreign(text) == {"_encode", "_result_cache", "_prefetched", "_hints", "_tree_cache"}


def _foreign(text: str) -> set[str]:
    """Private names that a file imports from a library, or uses and nothing of ours has."""
    mentioned = {name for match in MENTIONED.findall(text) for name in match}
    return ({*_imported(text), *(mentioned - _our_names())} - DOCUMENTED) - {""}


def _imported(text: str) -> Iterator[str]:
    for module, names in IMPORT.findall(text):
        if module.partition(".")[0] not in EVERYWHERE:
            words = re.findall(r"\w+", f"{module.replace('.', ' ')} {names}")
            yield from (word for word in words if re.fullmatch(NAME, word))


@cache
def _texts() -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for package in EVERYWHERE
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts and path.name != Path(__file__).name
    }


@cache
def _our_names() -> frozenset[str]:
    """Private names of our modules, functions, classes, variables, parameters and attributes."""
    modules = {path.rpartition("/")[2].removesuffix(".py") for path in _texts()}
    defined = {
        name for text in _texts().values() for match in DEFINED.findall(text) for name in match
    }
    return frozenset(modules | defined)


def _overridden(module: ModuleType) -> Iterator[str]:
    """Private methods of a library's class that a class of ours replaces."""
    for cls in vars(module).values():
        if inspect.isclass(cls) and cls.__module__ == module.__name__:
            libraries = [base for base in cls.__mro__ if _is_foreign(base)]
            for name, value in vars(cls).items():
                is_private = inspect.isfunction(value) and re.fullmatch(NAME, name)
                if is_private and any(name in vars(base) for base in libraries):
                    yield f"{module.__name__}.{cls.__name__}.{name}"


def _is_foreign(cls: type) -> bool:
    return cls.__module__.partition(".")[0] not in EVERYWHERE
