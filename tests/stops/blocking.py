"""Hold a table or row so that work stops in the middle, and see that it does."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection
from psycopg.sql import SQL, Identifier

from tests.waiting import wait_until

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
  AND clock_timestamp() - query_start < interval '1 second'
"""
"""Sessions that have begun to wait just now: each gives up after ``lock_timeout``, five seconds."""


def database_url() -> str:
    """The address of this test's database, for a process."""
    at = connection.settings_dict
    return f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"


@contextmanager
def held(table: str) -> Iterator[psycopg.Connection]:
    """Nobody reads or writes the table until the block ends."""
    with psycopg.connect(database_url()) as holder:
        holder.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(Identifier(table)))
        yield holder


def wait_for_waiters(count: int = 1) -> None:
    """Until so many sessions have begun to wait for a lock. What follows has four seconds."""
    with psycopg.connect(database_url(), autocommit=True) as looker:

        def are_waiting() -> bool:
            row = looker.execute(WAITING).fetchone()
            return row is not None and int(row[0]) >= count

        wait_until(are_waiting)


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Begin the work in another thread; the block starts when it waits for a lock or has ended."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # raised below
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with psycopg.connect(database_url(), autocommit=True) as looker:

        def has_stopped() -> bool:
            row = looker.execute(WAITING).fetchone()
            return not thread.is_alive() or bool(row and row[0])

        thread.start()
        wait_until(has_stopped)
    try:
        yield
    finally:
        thread.join()
    assert errors == []
