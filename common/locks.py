"""Named locks of PostgreSQL, for work that only one process may do at a time."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def try_advisory_lock(name: str) -> Iterator[bool]:
    """Try to take the advisory lock of this name until the block ends. Yields False, without
    waiting, while another session holds it.

    The lock belongs to the database session: it ends with a worker that dies.
    """
    key = zlib.crc32(name.encode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        (is_ours,) = cursor.fetchone()
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
