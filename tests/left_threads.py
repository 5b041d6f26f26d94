"""A pytest plugin: a test that leaves a thread of its own running fails itself.

Such a thread works on beside later tests, with their settings, servers and tables: a test that
counts connections or rows then fails now and then, and is not the one to blame. What fixtures of a
module or of the run have started is theirs to end.
"""

import threading
import time
from collections.abc import Iterator

import pytest

OF_THE_PROCESS = (
    "invalidation",
    "lookup",
    "orphan watch",
    "idempotency",
    "tqdm_monitor",
    "asyncio",
)
"""First words of the names of threads that a process starts once, for all that it does later."""
PATIENCE = 10.0
"""Seconds for a thread that has been told to end."""

_before: set[threading.Thread] = set()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Iterator[None]:
    global _before
    _before = set(threading.enumerate())
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    result = yield
    deadline = time.monotonic() + PATIENCE
    while (threads := left()) and time.monotonic() < deadline:
        time.sleep(0.01)
    if threads:
        names = ", ".join(sorted(each.name for each in threads))
        pytest.fail(f"Threads left running: {names}", pytrace=False)
    return result


def left() -> list[threading.Thread]:
    """Threads that the current test has started and that still run."""
    return [
        each
        for each in set(threading.enumerate()) - _before
        if _before and not each.name.startswith(OF_THE_PROCESS)
    ]
