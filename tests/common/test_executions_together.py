"""Executions of one statement that are sent together are one transaction, and fail together."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    OperationalError,
    connection,
    transaction,
)
from django.test.utils import CaptureQueriesContext

from common import prepared_statements


@pytest.fixture
def kept() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE prepared_kept (number int PRIMARY KEY, body bytea)")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE prepared_kept")


KEEP = "INSERT INTO prepared_kept VALUES (100 / %(by)s, %(body)s) RETURNING number, body"


def keep_each(*numbers: int) -> list[list[Any]]:
    parameters = [{"by": number, "body": b"\x00\xff"} for number in numbers]
    return prepared_statements.fetch_each(KEEP, parameters)


def kept_in_transactions() -> list[tuple[int, int]]:
    """Number of rows and of transactions that they were committed in."""
    return prepared_statements.fetch_rows(
        "SELECT count(*), count(DISTINCT xmin::text) FROM prepared_kept WHERE %(yes)s",
        {"yes": True},
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("kept")
def test_executions_together_are_one_transaction() -> None:
    body = b"\x00\xff"
    assert keep_each(1, 2, 4) == [[(100, body)], [(50, body)], [(25, body)]]
    assert kept_in_transactions() == [(3, 1)]
    with transaction.atomic():
        assert keep_each(5, 10) == [[(20, body)], [(10, body)]]
        transaction.set_rollback(True)
    with CaptureQueriesContext(connection):
        assert keep_each(5) == [[(20, body)]]
    assert kept_in_transactions() == [(4, 2)]
    assert keep_each() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("kept")
def test_an_execution_that_fails_fails_all_and_leaves_the_connection_usable() -> None:
    for numbers, error in (((1, 0, 2), DataError), ((1, 1), IntegrityError)):
        with pytest.raises(error) as raised:
            keep_each(*numbers)
        assert not prepared_statements.is_outcome_unknown(raised.value)
        assert kept_in_transactions() == [(0, 0)]
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    with pytest.raises(DatabaseError):
        keep_each(1)
    assert keep_each(1) == [[(100, b"\x00\xff")]]
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("5s",)
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("on",)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("kept")
def test_a_connection_that_breaks_leaves_the_outcome_of_executions_together_unknown() -> None:
    statement = (
        "INSERT INTO prepared_kept SELECT 1 WHERE pg_terminate_backend(pg_backend_pid(), %(ms)s)"
        " RETURNING number"
    )
    with pytest.raises(OperationalError) as raised:
        prepared_statements.fetch_each(statement, [{"ms": 1000}, {"ms": 1000}])
    assert prepared_statements.is_outcome_unknown(raised.value)
    connection.close()
    assert kept_in_transactions() == [(0, 0)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("kept")
def test_a_statement_that_was_planned_for_an_empty_table_uses_its_index() -> None:
    """Planned once per connection, it would read the whole table when that has grown."""
    statement = "SELECT body FROM prepared_kept WHERE number = %(number)s"
    assert prepared_statements.fetch_rows(statement, {"number": 1}) == []
    assert prepared_statements.fetch_each(statement, [{"number": 1}]) == [[]]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM pg_prepared_statements WHERE statement LIKE %s",
            ["%FROM prepared_kept WHERE number%"],
        )
        names = [name for (name,) in cursor.fetchall()]
        assert len(names) == 2
        for name in names:
            cursor.execute(f"EXPLAIN EXECUTE {name}(1)")
            assert "Index Scan using prepared_kept_pkey" in cursor.fetchone()[0]
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("on",)
