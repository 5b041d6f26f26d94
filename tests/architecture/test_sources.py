"""Source files keep the house rules that a parser can check."""

import ast
from typing import TypeGuard

from tests.architecture.sources import WIRING_AND_LANGUAGE, called_name, calls, sources

FORBIDDEN_NAMES = {
    "utils.py",
    "helpers.py",
    "base_service.py",
    "manager.py",
    "managers.py",
    "misc.py",
}
LONGEST = 300
CLOCKS = ("timezone.now", "datetime.now", "datetime.utcnow", "date.today", "time.time")
BELOW_THE_CLOCK = ("services", "selectors", "models", "stripe", "resolution", "representation")
"""Shelves that are told the time."""
COMPARES_CLOCKS = ("billing/stripe/requests.py", "billing/sync/event_latency.py")
"""Measure how far Stripe's clock is ahead of ours, and how old an event is; decide nothing."""


def test_services_take_the_time_as_an_argument() -> None:
    """The clock is read in views, tasks, the console and commands, and passed down."""
    read = [
        f"{source.path}:{line} {clock}"
        for source in sources()
        if source.path.parts[0] not in WIRING_AND_LANGUAGE and source.on_shelf(*BELOW_THE_CLOCK)
        if str(source.path) not in COMPARES_CLOCKS
        for clock in CLOCKS
        for line in calls(source, clock)
    ]
    assert read == []


def test_row_locks_are_taken_only_in_functions_called_lock() -> None:
    """``select_for_update`` stands only in selectors called ``lock`` or ``lock_…``."""
    outside = []
    for source in sources():
        allowed: set[int] = set()
        for node in source.nodes:
            if _is_lock(node) and source.on_shelf("selectors"):
                allowed |= set(range(node.lineno, (node.end_lineno or 0) + 1))
        outside += [
            f"{source.path}:{line}"
            for line in calls(source, ".select_for_update")
            if line not in allowed
        ]
    assert outside == []


def _is_lock(node: ast.AST) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef) and node.name.split("_")[0] == "lock"


def test_models_override_neither_save_nor_delete() -> None:
    """No ``save()`` or ``delete()`` of our own on a model: services do what has to be done."""
    overrides = [
        f"{source.path}:{node.lineno} {node.name}"
        for source in sources()
        if source.on_shelf("models")
        for node in source.nodes
        if isinstance(node, ast.FunctionDef)
        and node.name in {"save", "delete", "full_clean"}
        and "project_owned" not in source.path.name
    ]
    assert overrides == []


def test_files_are_short_and_named_by_a_noun() -> None:
    assert [str(each.path) for each in sources() if each.lines > LONGEST] == []
    assert [str(each.path) for each in sources() if each.path.name in FORBIDDEN_NAMES] == []


def test_services_are_functions_with_named_arguments() -> None:
    """What a service is about, and what happened to it, may go without a name; all else has one."""
    positional = [
        f"{source.path}:{node.lineno} {node.name}"
        for source in sources()
        if source.on_shelf("services", "selectors")
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and len(node.args.args) > 2
    ]
    assert positional == []


def test_no_sql_is_formatted_from_text() -> None:
    """No f-string, ``%`` or ``format`` makes SQL: the parameters travel beside it."""
    formatted = []
    for source in sources():
        for node in source.nodes:
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = called_name(node)
            if name.endswith((".execute", ".raw", "RawSQL")) and not _is_plain(node.args[0]):
                formatted.append(f"{source.path}:{node.lineno}")
    assert formatted == []


def _is_plain(node: ast.expr) -> bool:
    """A text, a name for one, or psycopg's own composition, which quotes."""
    composed = isinstance(node, ast.Call) and all(
        ast.unparse(each).startswith("sql.") for each in node.args
    )
    return composed or isinstance(node, ast.Constant | ast.Name | ast.Attribute)


READS = {"list", "retrieve", "retrieve_current", "create_preview", "auto_paging_iter"}
"""What the SDK can be asked that changes nothing at Stripe."""


def test_only_the_table_of_writes_calls_stripes_write_methods() -> None:
    """Only the table of writes calls an SDK method that changes something, or names a key to do
    so: whatever is asked of Stripe has an intent."""
    elsewhere = [each for each in sources() if each.path.parts[:2] == ("billing", "stripe")]
    calls = [
        f"{source.path}:{node.lineno}"
        for source in elsewhere
        if source.path.name not in ("write_operations.py", "writes.py")
        for node in source.nodes
        if _writes(node)
    ]
    assert calls == []


def _writes(node: ast.AST) -> TypeGuard[ast.Call | ast.Constant]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return ".v1." in called_name(node) and node.func.attr not in READS
    return isinstance(node, ast.Constant) and node.value == "idempotency_key"
