"""Advisory locks between writers of records and the creation of counters.

A batch in progress cannot see a counter that is created meanwhile, and its records would be missing
from it. Writers therefore hold a customer's lock shared, and creating a counter holds it
exclusively (``docs/decisions/0014-how-usage-is-kept.md``). Customers share 64 locks, held until the
transaction ends.

Advisory locks have no ORM form, hence the SQL. Call either function before the statement that must
see what others have written: a statement sees what was committed when it began.
"""

from collections.abc import Collection
from zlib import crc32

from django.db import connection

from common import prepared_statements

LOCKS = 64
"""Few, so that a batch of a thousand customers does not fill PostgreSQL's lock table."""
LOCK_SPACE = crc32(b"usage.stripes") & 0x7FFFFFFF
"""Distinguishes these advisory locks from others."""

LOCK_SHARED = """
SELECT count(pg_advisory_xact_lock_shared(%(space)s::int, number))
FROM unnest(%(numbers)s::int[]) AS number
"""
LOCK_EXCLUSIVE = "SELECT pg_advisory_xact_lock(%s, %s)"


def lock_shared(customer_ids: Collection[str]) -> None:
    """No counter of these customers is created until the transaction ends.

    Once per transaction: a second call could deadlock.
    """
    checksums = map(crc32, map(str.encode, customer_ids))
    numbers = sorted({checksum % LOCKS for checksum in checksums})  # as lock_number, for a thousand
    prepared_statements.fetch_rows(LOCK_SHARED, {"space": LOCK_SPACE, "numbers": numbers})


def lock_exclusive(customer_id: str) -> None:
    """No record of this customer is written until the transaction ends.

    Take it before any lock that writers of records take (counters, totals).
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK_EXCLUSIVE, [LOCK_SPACE, lock_number(customer_id)])


def lock_number(customer_id: str) -> int:
    """The number of the customer's lock."""
    return crc32(customer_id.encode()) % LOCKS
