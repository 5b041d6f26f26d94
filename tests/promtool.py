"""A pytest plugin for the tests marked `promtool`: they run Prometheus's tool on our rules.

Where there is none they are left out, and the report says so and how to get it.
"""

import shutil

import pytest


def executable() -> str | None:
    """The path of the system's promtool, if there is one."""
    return shutil.which("promtool")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if executable():
        return
    without = [item for item in items if item.get_closest_marker("promtool")]
    items[:] = [item for item in items if item not in without]
    config.hook.pytest_deselected(items=without)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if executable() is None:
        terminalreporter.section("not run: no promtool on this machine")
        terminalreporter.line("tests/monitoring/test_promtool.py")
        terminalreporter.line("To run it, install it (Debian: apt-get install prometheus).")
