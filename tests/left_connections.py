"""A pytest plugin: a test that leaves a connection to the database without an owner fails itself.

Django's connection belongs to a thread. When the thread ends without closing it, Python closes it
whenever it happens to collect garbage, with a ResourceWarning that fails another test.
"""

import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


@dataclass(frozen=True)
class OpenedConnection:
    """Keeps the driver's connection from being collected, and knows who opened it."""

    driver_connection: Any
    owner: "weakref.ref[BaseDatabaseWrapper]"
    thread: threading.Thread
    test: str

    @property
    def is_closed(self) -> bool:
        return bool(self.driver_connection.closed)

    @property
    def has_owner(self) -> bool:
        """Whether its thread, or this one, can still use and close it."""
        owner = self.owner()
        if owner is None:
            return False
        return self.thread.is_alive() or owner in connections.all(initialized_only=True)


_opened: list[OpenedConnection] = []
_current_test = "no test"


def _note(connection: BaseDatabaseWrapper, **_: object) -> None:
    opened = OpenedConnection(
        connection.connection, weakref.ref(connection), threading.current_thread(), _current_test
    )
    _opened.append(opened)


def take_left() -> list[OpenedConnection]:
    """Forget closed connections; close and return those that nobody owns any more."""
    left = [opened for opened in _opened if not opened.is_closed and not opened.has_owner]
    for opened in left:
        opened.driver_connection.close()
    _opened[:] = [opened for opened in _opened if not opened.is_closed]
    return left


def pytest_configure() -> None:
    connection_created.connect(_note)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    global _current_test
    _current_test = item.nodeid
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    result = yield
    if left := take_left():
        opened = ", ".join(f"{one.thread.name} of {one.test}" for one in left)
        pytest.fail(f"Connections left open, by their threads: {opened}", pytrace=False)
    return result
