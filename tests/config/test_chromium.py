"""Without Chromium the browser tests are skipped with a message; with it they run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

@pytest.mark.browser
def test_in_a_browser():
    pass

def test_without_one():
    pass
"""
PLUGINS = ["-p", "tests.chromium", "-p", "xdist.plugin"]


def run(directory: Path, *arguments: str) -> str:
    """Run pytest with nothing but this plugin and xdist, on a machine without programs."""
    (directory / "test_pages.py").write_text(TESTS)
    (directory / "pytest.ini").write_text("[pytest]\nmarkers = browser\n")
    environment = {
        **os.environ,
        "PATH": str(directory / "bin"),
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGINS, *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_without_chromium_browser_tests_are_named_and_not_run(
    tmp_path: Path, workers: list[str]
) -> None:
    output = run(tmp_path, *workers)
    assert "1 passed" in output
    assert "not run: no Chromium on this machine" in output
    assert "test_pages.py::test_in_a_browser" in output
    assert "apt-get install chromium" in output


def test_with_chromium_browser_tests_run(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "chromium").touch(mode=0o755)
    output = run(tmp_path)
    assert "2 passed" in output
    assert "not run" not in output
