"""A test that hangs after a failure is ended and named, and the other tests run."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import threading
import pytest

@pytest.fixture
def never_ends():
    yield
    threading.Event().wait()

def test_that_hangs(never_ends):
    assert "this" == "that"

def test_after_it():
    pass
"""
SETTINGS = "[pytest]\nfaulthandler_timeout = 1\nfaulthandler_exit_on_timeout = true\n"
PLUGINS = ["-p", "tests.hang_timeout", "-p", "xdist.plugin"]


def test_a_teardown_that_hangs_is_ended_and_named(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGINS, "-n", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "in never_ends" in done.stderr
    assert "AssertionError" in done.stdout
    assert "crashed while running 'test_hanging.py::test_that_hangs'" in done.stdout
    assert "2 failed, 1 passed" in done.stdout
