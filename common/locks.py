"""Named locks of PostgreSQL, for work that only one process may do at a time."""

import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg
from django.db import connection

_NO_TIMEOUT = "SET LOCAL idle_in_transaction_session_timeout = 0"
_LOCK = "SELECT pg_try_advisory_xact_lock(%s)"


@contextmanager
def try_advisory_lock(name: str) -> Iterator[bool]:
    """Try to take the advisory lock of this name until the block ends. Yields False, without
    waiting, while another holds it.

    The lock belongs to an open transaction on a connection of its own, in which nothing else
    happens. So it ends with a worker that dies, stays when Django changes its connection, and works
    behind a transaction pooler, where a session is ours for one transaction only.
    """
    key = zlib.crc32(name.encode())
    with closing(psycopg.connect(**connection.get_connection_params())) as session:
        session.execute(_NO_TIMEOUT)
        row = session.execute(_LOCK, [key]).fetchone()
        try:
            yield bool(row and row[0])
        finally:
            with suppress(psycopg.Error):  # it broke: the lock has ended already
                session.rollback()
