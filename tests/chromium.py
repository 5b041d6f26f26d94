"""A pytest plugin for the tests marked `browser`: they run in the system's Chromium.

Where there is none they are left out, and the report says which ones and how to get them.
"""

import os
import shutil
from typing import Any

import pytest
from playwright.sync_api import expect

NAMES = ("chromium", "chromium-browser", "google-chrome")

PATIENCE = 30_000
"""Milliseconds that a page may take on a busy machine before it counts as not coming."""

_left_out = pytest.StashKey[set[str]]()


def executable() -> str | None:
    """The path of the system's Chromium, if there is one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def pytest_configure(config: pytest.Config) -> None:
    # Playwright leaves an event loop running in the tests' thread; Django would take each query
    # after that for one made inside a coroutine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    expect.set_options(timeout=PATIENCE)
    config.stash[_left_out] = set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if executable():
        return
    without = [item for item in items if item.get_closest_marker("browser")]
    items[:] = [item for item in items if item not in without]
    config.hook.pytest_deselected(items=without)
    names = [item.nodeid for item in without]
    config.stash[_left_out].update(names)
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = names


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    names = getattr(node, "workeroutput", {}).get("left_out", ())
    node.config.stash[_left_out].update(names)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    names = config.stash[_left_out]
    if not names:
        return
    terminalreporter.section("not run: no Chromium on this machine")
    for name in sorted(names):
        terminalreporter.line(name)
    terminalreporter.line("To run them, install it (Debian: apt-get install chromium).")
