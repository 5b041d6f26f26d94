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
        return _pools.get(self.alias) or _pools.setdefault(self.alias, self._new_pool(options))

    def close_pool(self) -> None:
        """Close the process's pool, if there is one; the next connection opens another."""
        pool = _pools.pop(self.alias, None)
        if pool is not None:
            pool.close()

    def _new_pool(self, options: dict[str, Any]) -> ConnectionPool[Any]:
        return ConnectionPool(
            kwargs={**self.get_connection_params(), "autocommit": True},
            open=False,  # whoever first takes a connection opens it
            configure=self._set_time_zone,
            check=check,
            **options,
        )

    def _set_time_zone(self, connection: Connection[Any]) -> None:
        """Django's `assume_role` is not supported: every connection keeps its user."""
        if connection.info.parameter_status("TimeZone") != self.timezone_name:
            connection.execute(self.ops.set_time_zone_sql(), [self.timezone_name])


_pools: dict[str, ConnectionPool[Any]] = {}
"""By the alias of their database: what threads share."""
_pools_of_parents: list[ConnectionPool[Any]] = []
"""Kept, so that nothing in this process closes their connections."""


def leave_pools_to_parent() -> None:
    """In a process that was just forked: neither use nor close the connections of the one that
    forked it. This process opens pools of its own."""
    _pools_of_parents.extend(_pools.values())
    _pools.clear()


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
