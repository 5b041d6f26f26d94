"""Tests run an event loop in a thread of its own: a browser's leaves one running in pytest's."""

from tests.architecture.sources import ROOT

RUNS_A_LOOP = {"tests/threads.py", "tests/architecture/test_event_loops.py"}


def test_only_the_helper_runs_a_loop() -> None:
    """Use ``tests.threads.run_in_a_loop``."""
    files = (ROOT / "tests").rglob("*.py")
    running = {str(file.relative_to(ROOT)) for file in files if "asyncio.run(" in file.read_text()}
    assert running == RUNS_A_LOOP
