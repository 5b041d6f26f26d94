"""A pytest plugin for the tests marked `nginx`: they run Debian's nginx with our configuration.

Where there is none they are left out, and the report says so and how to get it.
"""

import os
import shutil

import pytest


def executable() -> str | None:
    """The path of the system's nginx, if there is one; Debian keeps it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if executable():
        return
    without = [item for item in items if item.get_closest_marker("nginx")]
    items[:] = [item for item in items if item not in without]
    config.hook.pytest_deselected(items=without)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if executable() is None:
        terminalreporter.section("not run: no nginx on this machine")
        terminalreporter.line("tests/server/test_nginx.py")
        terminalreporter.line("To run it, install nginx (Debian: apt-get install nginx-light).")
