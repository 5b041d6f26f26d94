"""Locks between those who write records and those who make a counter from what is written.

A batch that is under way cannot see a counter that is made meanwhile, and its records would be
missing from it. Writers therefore share a stripe of customers, and who makes a counter holds it
alone (``docs/decisions/0014-how-usage-is-kept.md``). The locks last until the transaction ends.

Advisory locks have no words in the ORM, hence the SQL. Call either function before the statement
that must see what others have written: a statement sees what was committed when it began.
"""

from collections.abc import Collection
from zlib import crc32

from django.db import connection

from common import prepared
from usage.totals import arrays

COUNT = 64
"""Few, so that a batch of a thousand customers does not fill the database's table of locks."""
SPACE = crc32(b"usage.stripes") & 0x7FFFFFFF
"""What tells these locks from others."""

SHARE = """
SELECT count(pg_advisory_xact_lock_shared(%(space)s::int, stripe))
FROM unnest(%(stripes)s::int[]) AS stripe
"""
HOLD = "SELECT pg_advisory_xact_lock(%s, %s)"


def share(customer_ids: Collection[str]) -> None:
    """Nobody makes a counter of these customers until the transaction ends.

    Once per transaction: a second call could wait for somebody who waits for the first.
    """
    stripes = sorted({of(customer_id) for customer_id in customer_ids})
    prepared.rows(SHARE, {"space": SPACE, "stripes": arrays.of_numbers(stripes)})


def hold(customer_id: str) -> None:
    """Nobody writes records of this customer until the transaction ends.

    To be taken before any lock that writers of records take (counters, totals).
    """
    with connection.cursor() as cursor:
        cursor.execute(HOLD, [SPACE, of(customer_id)])


def of(customer_id: str) -> int:
    """The customer's stripe."""
    return crc32(customer_id.encode()) % COUNT
