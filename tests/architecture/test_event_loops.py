"""Tests run an event loop in a thread of its own: a browser's leaves one running in pytest's."""

from tests.architecture.sources import ROOT

LOOPS = ("asyncio.run(", "asyncio.Runner(")
RUNS_A_LOOP = {"tests/threads.py", "tests/architecture/test_event_loops.py"}


def test_only_the_helper_runs_a_loop() -> None:
    """Use ``tests.threads.run_in_a_loop``."""
    files = (ROOT / "tests").rglob("*.py")
    texts = {str(file.relative_to(ROOT)): file.read_text() for file in files}
    running = {name for name, text in texts.items() if any(each in text for each in LOOPS)}
    assert running == RUNS_A_LOOP
