"""Prepared statements return what cursors return and are never sent twice."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from psycopg import IsolationLevel
from psycopg.types.numeric import Int8

from common import binary_arrays, prepared_statements

SPAN = timedelta(days=-1, seconds=2, microseconds=3)
AT = datetime(2026, 11, 21, 19, 2, 3, 120000, tzinfo=UTC)
ECHO = """
SELECT %(text)s::text, %(number)s, %(large)s::numeric, %(at)s, %(yes)s, %(bytes)s,
    %(texts)s::text[], %(numbers)s::numeric[], %(nothing)s::int, 7 %% 4, %(text)s::varchar,
    %(at)s + %(span)s,
    '2026-11-21'::date, '{"a": [1]}'::jsonb
"""


def parameters(**more: Any) -> dict[str, Any]:
    return {
        "text": "Ä\\ \"quoted\" 'text', {},\n",
        "number": Int8(1),
        "large": 2**53,
        "at": AT,
        "yes": True,
        "bytes": b"\x00\xff'",
        "texts": ["a", 'say "b"', "back\\slash", "", "null", "{,}", " x "],
        "numbers": [Int8(1), Int8(2**53)],
        "nothing": None,
        "span": SPAN,
        **more,
    }


@pytest.mark.django_db(transaction=True)
def test_a_prepared_statement_and_a_cursor_return_the_same_rows() -> None:
    """Outside a transaction in one call of libpq, inside one through Django's cursors."""
    for more in (
        {},
        {"texts": [], "numbers": [], "yes": False, "bytes": b"", "text": ""},
        {"at": datetime(9999, 12, 31, 23, tzinfo=UTC), "number": Int8(-(2**63))},
        {"span": timedelta(days=400, seconds=86_399), "text": "x"},
        {"at": AT.astimezone(timezone(timedelta(hours=5, minutes=30))), "large": None},
        {"nothing": 5, "number": 2**63},
    ):
        directly = prepared_statements.fetch_row(ECHO, parameters(**more))
        with transaction.atomic():
            assert prepared_statements.fetch_row(ECHO, parameters(**more)) == directly
        with CaptureQueriesContext(connection) as seen:
            assert prepared_statements.fetch_row(ECHO, parameters(**more)) == directly
        assert len(seen) == 1
    assert prepared_statements.fetch_row(ECHO, parameters()) == (
        *(parameters()["text"], 1, Decimal(2**53), AT, True, b"\x00\xff'"),
        *(parameters()["texts"], [Decimal(1), Decimal(2**53)], None, 3, parameters()["text"]),
        *(AT + SPAN, AT.date(), '{"a": [1]}'),
    )
    assert prepared_statements.fetch_row("SELECT 1 WHERE %(no)s", {"no": False}) is None


COLUMNS = """
SELECT * FROM unnest(%(texts)s::text[], %(numbers)s::bigint[], %(moments)s::timestamptz[],
    %(bytes)s::bytea[])
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["use_1", "use_2", "use_3"],
        ["\u00e4b", "abc", "a\u20ac"],
        ["", "", ""],
        ["a", '{,} \\ "NULL"', "x" * 127],
        ["x" * 127] * 3,
        ["x" * 128] * 3,
        ["\u00e4" * 127] * 3,
        ["y" * 70_000] * 3,
    ],
)
def test_binary_arrays_are_what_a_cursor_is_given(texts: list[str]) -> None:
    """Texts of one length and others, of ASCII and not; times of one moment and of several."""
    numbers = [0, -(2**63), 2**63 - 1][: len(texts)]
    for moments, values in (
        ([AT] * 3, [None] * 3),
        ([AT, AT.astimezone(timezone(timedelta(hours=5))), AT + SPAN], [b"", None, b"\x00\xff"]),
        ([datetime(1970, 1, 1, tzinfo=UTC), AT, datetime.max.replace(tzinfo=UTC)], [b"a"] * 3),
        ([None] * 3, [b"a"] * 3),
        ([AT, None, AT + SPAN], [b"a"] * 3),
    ):
        rows = list(zip(texts, numbers, moments, values, strict=False))
        arrays = {
            "texts": binary_arrays.of_texts(texts),
            "numbers": binary_arrays.of_numbers(numbers),
            "moments": binary_arrays.of_moments(moments[: len(texts)]),
            "bytes": binary_arrays.of_bytes(values[: len(texts)]),
        }
        assert prepared_statements.fetch_rows(COLUMNS, arrays) == rows
        with CaptureQueriesContext(connection):
            assert prepared_statements.fetch_rows(COLUMNS, arrays) == rows


@pytest.mark.django_db(transaction=True)
def test_a_transaction_begins_with_the_options_of_its_connection() -> None:
    isolation = "SELECT current_setting('transaction_isolation')"
    with transaction.atomic():
        assert prepared_statements.fetch_row(isolation, {}) == ("read committed",)
    connection.connection.isolation_level = IsolationLevel.SERIALIZABLE
    try:
        with transaction.atomic():
            assert prepared_statements.fetch_row(isolation, {}) == ("serializable",)
    finally:
        connection.connection.isolation_level = None
    assert prepared_statements.fetch_row(isolation, {}) == ("read committed",)


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_a_django_error_and_leaves_the_connection_usable() -> None:
    with pytest.raises(DataError):
        prepared_statements.fetch_row("SELECT %(text)s::int", {"text": "many"})
    with pytest.raises(IntegrityError):
        prepared_statements.fetch_row("INSERT INTO usage_movement DEFAULT VALUES RETURNING 1", {})
    with pytest.raises((DataError, ValueError)):
        prepared_statements.fetch_row("SELECT %(text)s::text", {"text": "a\0b"})
    assert prepared_statements.fetch_row("SELECT %(text)s::int", {"text": "7"}) == (7,)


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_the_server_has_forgotten_is_prepared_again() -> None:
    for _ in range(2):
        assert prepared_statements.fetch_row("SELECT %(number)s + 1", {"number": 1}) == (2,)
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")


def names_on_the_server() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db(transaction=True)
def test_a_rollback_keeps_what_is_prepared() -> None:
    """psycopg would deallocate it, and the next use would be an error in the server's log."""
    statement = "SELECT %(number)s::int + 1"
    assert prepared_statements.fetch_row(statement, {"number": 1}) == (2,)
    before = names_on_the_server()
    assert len(before) >= 1
    for way in (prepared_statements.fetch_row, prepared_statements.fetch_rows):
        with transaction.atomic():
            assert way(statement, {"number": Int8(2)}) in ((3,), [(3,)])
            transaction.set_rollback(True)
    assert names_on_the_server() >= before
    assert prepared_statements.fetch_row(statement, {"number": 4}) == (5,)


@pytest.mark.django_db(transaction=True)
def test_a_statement_prepared_in_a_transaction_runs_in_it() -> None:
    """Also when it is the first statement of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE kept (number int)")
    with transaction.atomic():
        prepared_statements.fetch_row(
            "INSERT INTO kept VALUES (%(number)s) RETURNING number", {"number": 1}
        )
        transaction.set_rollback(True)
    assert prepared_statements.fetch_row(
        "SELECT count(*) FROM kept WHERE %(yes)s", {"yes": True}
    ) == (0,)


@pytest.mark.django_db(transaction=True)
def test_a_failing_statement_is_sent_once() -> None:
    """A sequence counts what is rolled back, too."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE prepared_once")
    try:
        with pytest.raises(DataError):
            prepared_statements.fetch_row("SELECT 1 / (0 * nextval('prepared_once'))", {})
        assert prepared_statements.fetch_row("SELECT nextval('prepared_once')", {}) == (2,)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SEQUENCE prepared_once")


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_is_an_error_and_nothing_is_sent_again() -> None:
    """The statement may have been committed before the connection broke: that nobody can know."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE prepared_twice")
    try:
        with pytest.raises(OperationalError):
            prepared_statements.fetch_row(
                "SELECT nextval('prepared_twice'), pg_terminate_backend(pg_backend_pid())", {}
            )
        connection.close()
        assert prepared_statements.fetch_row("SELECT nextval('prepared_twice')", {}) == (2,)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SEQUENCE prepared_twice")


@pytest.fixture
def pooled(transactional_db: None) -> Iterator[None]:
    """As in production: connections come from a pool, here of one. The database is emptied after
    the test without it."""
    connection.close()
    options = connection.settings_dict["OPTIONS"] | {"pool": {"min_size": 1, "max_size": 1}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "OPTIONS", options)
        yield
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


def test_a_thread_without_a_connection_borrows_one_for_the_statement(pooled: None) -> None:
    """It is given back after an error too, and commits however its last user has left it."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE prepared_kept (number int)")
    connection.set_autocommit(False)
    connection.close()
    try:
        for number in range(3):
            kept = "INSERT INTO prepared_kept VALUES (%(number)s) RETURNING number"
            assert prepared_statements.fetch_row(kept, {"number": number}) == (number,)
            with pytest.raises(DataError):
                prepared_statements.fetch_row("SELECT %(text)s::int", {"text": "many"})
            assert connection.connection is None
        assert prepared_statements.fetch_row("SELECT count(*) FROM prepared_kept", {}) == (3,)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE prepared_kept")
