"""Django's PostgreSQL backend, with a pool check that needs no round trip for active connections.

A server that restarts or ends a connection sends a message or closes the socket; both make the
socket readable. So a connection that was used recently and whose socket is not readable is handed
out without a query. Any other connection is checked with a query, as psycopg's pool does by
default. A connection that breaks later causes an error in either case.
"""

import select
import time
from collections import Counter
from typing import Any
from weakref import WeakKeyDictionary

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

UNCHECKED_SECONDS = 10.0
"""Seconds after its last check for which a silent connection is not checked with a query."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's wrapper with another pool check."""

    @property
    def pool(self) -> ConnectionPool[Any] | None:
        """The pool of this process; None if none is configured."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        return _pools.get(self.alias) or _pools.setdefault(self.alias, self._new_pool(options))

    @property
    def keeps_session(self) -> bool:
        """Whether a connection is a session of the server. Behind a transaction pooler it is one
        for a transaction only, so that nothing may stay at the server: no named statement, no
        cursor, no lock of a session."""
        return not self.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]

    def close_pool(self) -> None:
        """Close the pool of this process, if there is one; the next connection opens a new pool."""
        pool = _pools.pop(self.alias, None)
        if pool is not None:
            pool.close()

    def _new_pool(self, options: dict[str, Any]) -> ConnectionPool[Any]:
        return ConnectionPool(
            kwargs={**self.get_connection_params(), "autocommit": True},
            open=False,  # the first use opens it
            configure=self._set_time_zone,
            check=check,
            **options,
        )

    def _set_time_zone(self, connection: Connection[Any]) -> None:
        """Django's `assume_role` is not supported: every connection keeps its user."""
        if connection.info.parameter_status("TimeZone") != self.timezone_name:
            connection.execute(self.ops.set_time_zone_sql(), [self.timezone_name])


_pools: dict[str, ConnectionPool[Any]] = {}
"""By alias of the database; shared by all threads."""


def pool_stats() -> dict[str, int]:
    """psycopg's figures of this process's pools, added up; empty before the first query."""
    stats: Counter[str] = Counter()
    for pool in list(_pools.values()):
        stats.update(pool.get_stats())
    return dict(stats)


_pools_of_parents: list[ConnectionPool[Any]] = []
"""Referenced here so that this process never closes their connections."""


def leave_pools_to_parent() -> None:
    """Use neither the connections nor the pools of the parent process after a fork."""
    _pools_of_parents.extend(_pools.values())
    _pools.clear()


_checked_at: WeakKeyDictionary[Connection[Any], float] = WeakKeyDictionary()


def check(connection: Connection[Any]) -> None:
    """Raise psycopg's OperationalError if the connection is broken."""
    now = time.monotonic()
    if now - _checked_at.get(connection, 0.0) >= UNCHECKED_SECONDS or not _is_silent(connection):
        ConnectionPool.check_connection(connection)
    _checked_at[connection] = now


def _is_silent(connection: Connection[Any]) -> bool:
    """Whether the socket has nothing to read: no message and no end."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
