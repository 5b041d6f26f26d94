"""No test asserts how little time something took: a busy machine may pause it anywhere."""

import ast
from pathlib import Path

from tests.architecture.sources import ROOT

STOPWATCHES = {"monotonic", "perf_counter", "process_time"}
READS_A_STOPWATCH = {
    "tests/waiting.py": "gives up after a long time",
    "tests/left_threads.py": "gives up after a while",
    "tests/server/proxy.py": "gives up after a long time",
    "tests/pgbouncer.py": "gives up after a long time",
    "tests/services.py": "prints how long PostgreSQL took",
    "tests/suite.py": "prints how long each check took",
    "tests/guards/__main__.py": "prints how long the guards took",
    "tests/billing/stripe/test_budget.py": "asserts that a pause was not shorter",
    "tests/billing/stripe/test_transport.py": "says when a caller stops waiting",
    "tests/delivery/webhooks/dispatching.py": "is the clock of a dispatcher",
    "tests/chaos/waiting_readers.py": "prints how long readers waited for their answer",
    "tests/devtools/test_stack.py": "compares a report's age with the moment of a kill",
}


def test_only_waits_and_reports_read_a_stopwatch() -> None:
    """``tests.waiting`` has what a test needs instead."""
    files = (ROOT / "tests").rglob("*.py")
    reading = {str(file.relative_to(ROOT)) for file in files if _reads_a_stopwatch(file)}
    assert reading == set(READS_A_STOPWATCH)


def _reads_a_stopwatch(file: Path) -> bool:
    text = file.read_text()
    return any(name in text for name in STOPWATCHES) and any(
        isinstance(node, ast.Attribute) and node.attr in STOPWATCHES
        for node in ast.walk(ast.parse(text))
    )
