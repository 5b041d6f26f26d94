"""Public class names are unique; modules, classes, functions and variables have no retired name.

docs/glossary.md has the words to use instead.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePath

from tests.architecture.sources import Source, sources_of

PACKAGES = (
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
    *("events", "common", "sandbox"),
)
NAMED_BY_A_FRAMEWORK = {"Command", "Meta"}
"""Django finds a management command by its module, and every class in it is called so."""
MOST_PARAMETERS = 8
RETIRED = frozenset(
    {
        *("leases", "dirty", "turn", "turns", "bell", "crowds", "settling", "making", "begun"),
        *("wish", "wishes", "sale", "claim", "claims", "proposed", "arrangements", "position"),
        *("fleet", "following", "rereading", "redeeming", "detection", "ground", "sight"),
        *("knowledge", "outlook", "copies", "statics", "tombstone", "bury", "tallies", "stripes"),
        *("storing", "copying", "announcements", "told", "lately", "hot", "everyday", "standing"),
        *("ways", "manners", "figures", "unsettled", "wanted", "answer", "outcome", "terms"),
        *("broadcast", "together", "prepared", "tally", "retiring"),
    }
)
RETIRED_FUNCTIONS = RETIRED - {"claim"}
"""A worker claims a due row: of a lease the word stays."""
RETIRED_PARAMETERS = frozenset(
    {
        *("also", "instead", "wanted", "lately", "said", "told", "asked", "found", "theirs"),
        *("anybody", "known", "made", "given"),
    }
)

RETIRED_VARIABLES = frozenset(
    {"made", "found", "said", "told", "asked", "known", "wanted", "given", "theirs"}
)
"""Participles that do not say what they hold."""
BINDING = re.compile(rf"\b(?:{'|'.join(RETIRED_VARIABLES)})\s*(?:[,:)\]=]|[-+*/%@&|^<>]+=|in\b)")
"""One of them before what can follow where a name is bound. Most files have none and need not be
walked."""


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


def test_a_function_has_few_parameters() -> None:
    """More values than these travel as a frozen request value, such as ``CheckoutRequest``."""
    long = [
        f"{path}:{node.lineno} {node.name}: {len(names)}"
        for path, node, names in _functions()
        if len(names) > MOST_PARAMETERS
    ]
    assert long == []


def test_no_parameter_hides_a_builtin() -> None:
    """A parameter says of what it is the type, the id or the format."""
    hidden = [
        f"{path}:{node.lineno} {node.name}({name})"
        for path, node, names in _functions()
        for name in names
        if name in {"type", "id", "format"}
    ]
    assert hidden == []


def _functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, list[str]]]:
    """Every function and method with its parameters, but for the object or class it belongs to."""
    for path, source in _modules().items():
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = node.args
                every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
                every += filter(None, [arguments.vararg, arguments.kwarg])
                names = [each.arg for each in every]
                yield path, node, [name for name in names if name not in {"self", "cls"}]


def test_no_public_function_is_called_by_a_retired_word() -> None:
    functions = [
        f"{path}: {node.name}"
        for path, source in _modules().items()
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef) and node.name in RETIRED_FUNCTIONS
    ]
    assert functions == []


def test_no_parameter_is_called_by_a_retired_word() -> None:
    parameters = [
        f"{path}:{node.lineno}: {node.arg}"
        for path, source in _modules().items()
        for node in source.nodes
        if isinstance(node, ast.arg) and node.arg in RETIRED_PARAMETERS
    ]
    assert parameters == []


def test_no_variable_is_called_by_a_retired_word() -> None:
    """In the tests and benchmarks too. Fields of classes are left out: columns and members of the
    API have these names."""
    variables = [
        f"{source.path}:{node.lineno}: {_bound_name(node)}"
        for package in (*PACKAGES, "tests", "benchmarks")
        for source in sources_of(package)
        if BINDING.search(source.text)
        for function in source.nodes
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
        if isinstance(node, ast.Name | ast.arg) and _bound_name(node) in RETIRED_VARIABLES
    ]
    assert variables == []


def _bound_name(node: ast.Name | ast.arg) -> str:
    """The name of a variable or parameter that this node binds; empty where it only reads one."""
    if isinstance(node, ast.arg):
        return node.arg
    return node.id if isinstance(node.ctx, ast.Store) else ""


def _modules() -> dict[str, Source]:
    return {
        source.path.as_posix(): source for package in PACKAGES for source in sources_of(package)
    }


def _classes() -> Iterator[tuple[str, str]]:
    """The file and name of every public class at the top of a module."""
    for path, source in _modules().items():
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and not re.match("_", node.name):
                yield path, node.name
