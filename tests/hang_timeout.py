"""A pytest plugin: a test that hangs is ended and named, in its teardown too.

pytest's faulthandler does it, from outside of Python: it is heard while a lock of PostgreSQL is
waited for, a thread is joined or Playwright's loop runs, where an alarm's exception is not, and it
writes to the terminal from xdist's workers too. But a failure makes it stop watching, for the sake
of those who debug, and it is after a failure that a teardown waits for what never comes.
"""

import faulthandler
import os
import sys
from collections.abc import Iterator

import pytest

_terminal = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    # While tests run, both of Python's and the process's own standard error are captured.
    assert sys.__stderr__ is not None
    config.stash[_terminal] = os.dup(sys.__stderr__.fileno())


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_terminal])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    seconds = float(item.config.getini("faulthandler_timeout"))
    if seconds:
        faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.stash[_terminal])
    yield
