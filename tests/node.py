"""A pytest plugin for the tests marked `node`: they run Node.js with npm's `standardwebhooks`.

Where one of them is missing the tests are left out, and the report says so and how to get both.
"""

import shutil
import subprocess
from functools import cache

import pytest

MODULE = "standardwebhooks"
HINT = (
    "To run it: apt-get install nodejs npm; npm install --prefix var/node standardwebhooks; "
    "export NODE_PATH=$PWD/var/node/node_modules"
)


@cache
def executable() -> str | None:
    """The path of a Node.js that finds the module, if there is one."""
    path = shutil.which("node")
    if path is None:
        return None
    probe = subprocess.run([path, "-e", f"require('{MODULE}')"], capture_output=True, check=False)
    return path if probe.returncode == 0 else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    without = [item for item in items if item.get_closest_marker("node")]
    if not without or executable():
        return
    items[:] = [item for item in items if item not in without]
    config.hook.pytest_deselected(items=without)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if executable() is None:
        terminalreporter.section(f"not run: no Node.js with the module {MODULE}")
        terminalreporter.line("tests/common/test_standard_webhooks_npm.py")
        terminalreporter.line(HINT)
