"""Run calls and roll them back, so that thousands of them share one set of rows."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.transaction import Atomic


@contextmanager
def rolled_back() -> Iterator[None]:
    """Whatever happens inside is rolled back.

    The block is the test's, as Django's own test cases mark theirs: what counts as a transaction
    of the service is what the service opens inside.
    """
    block = Atomic(using=None, savepoint=True, durable=False)
    block._from_testcase = True  # type: ignore[attr-defined]  # as django.test.TestCase does
    with block:
        yield
        transaction.set_rollback(True)


def count_writes() -> int:
    """How many rows the transaction has inserted, updated or deleted so far, and rolled back too.

    Where the number has not grown, no row has changed: comparing them takes ten times as long.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint "
            "FROM pg_stat_xact_user_tables"
        )
        return int(cursor.fetchone()[0])
