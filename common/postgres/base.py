"""Django's PostgreSQL, with a check of pooled connections that costs no round trip while in use.

A server that restarts, or ends a connection, says so or hangs up: either can be read from the
socket. So a connection that was in use a moment ago, and on which nothing waits to be read, is
handed out as it is. Any other is asked, as psycopg's pool does it each time. What breaks after
that is an error, with or without a question before it.
"""

import select
import time
from typing import Any
from weakref import WeakKeyDictionary

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

UNASKED = 10.0
"""Seconds after its last question, or its last use, for which a silent connection is not asked."""


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's but for the pool."""

    @property
    def pool(self) -> ConnectionPool[Any] | None:
        """The process's pool; None where none is configured."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pools: dict[str, ConnectionPool[Any]] = self._connection_pools  # type: ignore[attr-defined]
        found = pools.get(self.alias)
        return found or pools.setdefault(self.alias, self._new_pool(options))

    def _new_pool(self, options: dict[str, Any]) -> ConnectionPool[Any]:
        return ConnectionPool(
            kwargs={**self.get_connection_params(), "autocommit": True},
            open=False,  # whoever first takes a connection opens it
            configure=self._configure_connection,  # type: ignore[attr-defined]  # not in the stubs
            check=check,
            **options,
        )


_seen: WeakKeyDictionary[Connection[Any], float] = WeakKeyDictionary()


def check(connection: Connection[Any]) -> None:
    """Raises psycopg's OperationalError when the connection is broken."""
    now = time.monotonic()
    if now - _seen.get(connection, 0.0) >= UNASKED or not _is_silent(connection):
        ConnectionPool.check_connection(connection)
    _seen[connection] = now


def _is_silent(connection: Connection[Any]) -> bool:
    """Whether nothing waits to be read: no message, no end."""
    if connection.closed:
        return False
    looking = select.poll()
    looking.register(connection.fileno(), select.POLLIN)
    return not looking.poll(0)
