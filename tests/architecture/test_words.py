"""Public class names are unique, and no module or class has a retired name.

The words are those of the house's vocabulary; what each was replaced with stands in
docs/glossary.md.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePath

from tests.architecture.sources import ROOT

PACKAGES = (
    *("config", "devtools", "console", "webhooks", "billing", "entitlements", "usage", "projects"),
    *("events", "common", "sandbox"),
)
NAMED_BY_A_FRAMEWORK = {"Command", "Meta"}
"""Django finds a management command by its module, and every class in it is called so."""
RETIRED = frozenset(
    {
        *("leases", "dirty", "turn", "turns", "bell", "crowds", "settling", "making", "begun"),
        *("wish", "wishes", "sale", "claim", "claims", "proposed", "arrangements", "position"),
        *("fleet", "following", "rereading", "redeeming", "detection", "ground", "sight"),
        *("knowledge", "outlook", "copies", "statics", "tombstone", "bury", "tallies", "stripes"),
        *("storing", "copying", "announcements", "told", "lately", "hot", "everyday", "standing"),
        *("ways", "manners", "figures", "unsettled", "wanted", "answer", "outcome", "terms"),
    }
)


def test_no_two_public_classes_share_a_name() -> None:
    places = defaultdict(list)
    for path, name in _classes():
        places[name].append(path)
    shared = {
        name: paths
        for name, paths in places.items()
        if len(paths) > 1 and name not in NAMED_BY_A_FRAMEWORK
    }
    assert shared == {}


def test_no_module_or_class_has_a_retired_name() -> None:
    modules = [path for path in _modules() if PurePath(path).stem in RETIRED]
    classes = [f"{path}: {name}" for path, name in _classes() if name.lower() in RETIRED]
    assert modules + classes == []


def _modules() -> Iterator[str]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix()


def _classes() -> Iterator[tuple[str, str]]:
    """The file and name of every public class at the top of a module."""
    for path in _modules():
        for node in ast.parse((ROOT / path).read_text()).body:
            if isinstance(node, ast.ClassDef) and not re.match("_", node.name):
                yield path, node.name
