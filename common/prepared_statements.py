"""Prepared statements for long queries that run very often: each connection plans them once.

Django binds values in the client and sends a text that is parsed and planned each time. A statement
with many parts costs more to plan than to run. Here its values are sent separately, and the server
keeps the plan while the connection lives.

A statement is sent with one call of libpq (``psycopg.pq``), which releases the interpreter lock:
psycopg's cursors take three times as long. The statements have names of our own, because psycopg
deallocates those that it prepares, and all others with them, at each rollback. Outside a
transaction each statement is its own transaction. A failed statement is never sent again, because
it may have been committed. The exception is a statement that the server no longer knows, and has
therefore not started: it is prepared and sent once more.

Behind a transaction pooler (DATABASE_POOLER) the next transaction is in another session, which does
not have the statement: there each one is parsed and planned anew.

:func:`fetch_each` commits several executions of one statement together, for callers that would wait
for the same disk anyway.
"""

import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Connection, Cursor, Error, OperationalError
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg_pool import ConnectionPool

from common.binary_arrays import BinaryArray
from common.statement_codec import BoundStatement, Row, bind, read_rows


def fetch_row(statement: str, parameters: Mapping[str, Any]) -> Row | None:
    """Return the first row of a constant statement; None without one. Raises Django's database
    errors."""
    result = fetch_rows(statement, parameters)
    return result[0] if result else None


def fetch_rows(statement: str, parameters: Mapping[str, Any]) -> list[Row]:
    """Return all rows of a constant statement. Raises Django's database errors."""
    wrapper = connections[DEFAULT_DB_ALIAS]
    bound = None if _is_watched(wrapper) else bind(statement, parameters)
    if bound is None:
        return _execute_by_cursor(wrapper, statement, parameters)
    with wrapper.wrap_database_errors, _connection_of(wrapper) as connection:
        return _execute(connection, bound, keeps_session=wrapper.keeps_session)  # type: ignore[attr-defined]


def fetch_each(statement: str, parameters: Sequence[Mapping[str, Any]]) -> list[list[Row]]:
    """Execute a constant statement once for each of the parameters, in their order and in one
    transaction; return the rows of each execution.

    All of it is sent at once. An execution that waits for a lock for ``LOCK_PATIENCE`` fails.
    Raises Django's database errors: nothing is stored then, unless the connection broke
    (:func:`is_outcome_unknown`).
    """
    wrapper = connections[DEFAULT_DB_ALIAS]
    bound = [bind(statement, each) for each in parameters]
    if None in bound or wrapper.in_atomic_block or _is_watched(wrapper):
        with transaction.atomic():
            return [fetch_rows(statement, each) for each in parameters]
    with wrapper.wrap_database_errors, _connection_of(wrapper) as connection:
        return _execute_together(
            connection,
            [each for each in bound if each is not None],
            keeps_session=wrapper.keeps_session,  # type: ignore[attr-defined]
        )


def is_outcome_unknown(error: BaseException) -> bool:
    """Whether this database error does not tell if the transaction was committed: it is not an
    answer of the server, which would have a code."""
    return getattr(error.__cause__, "sqlstate", None) is None


def _execute_by_cursor(
    wrapper: BaseDatabaseWrapper, statement: str, parameters: Mapping[str, Any]
) -> list[Row]:
    """Execute with a psycopg cursor, which Django can log and wrap; nothing is prepared."""
    wrapper.ensure_connection()
    make = wrapper.make_debug_cursor if wrapper.queries_logged else wrapper.make_cursor
    with make(Cursor(wrapper.connection)) as cursor:  # type: ignore[arg-type]  # stubs: it is wrapped here
        cursor.execute(statement, {name: _plain(value) for name, value in parameters.items()})
        return list(cursor.fetchall()) if cursor.description else []


def _plain(value: Any) -> Any:
    return list(value.values) if isinstance(value, BinaryArray) else value


def _is_watched(wrapper: BaseDatabaseWrapper) -> bool:
    """Whether Django logs or wraps statements."""
    return wrapper.queries_logged or bool(wrapper.execute_wrappers)


@contextmanager
def _connection_of(wrapper: BaseDatabaseWrapper) -> Iterator[Connection[Any]]:
    """The connection of the thread, if it has one, or else one that goes back to the pool at once.

    Binding a connection to the thread, and releasing it after the request, costs as much as the
    statement.
    """
    pool: ConnectionPool[Any] | None = wrapper.pool  # type: ignore[attr-defined]
    if wrapper.in_atomic_block or wrapper.connection is not None or pool is None:
        wrapper.ensure_connection()
        wrapper.validate_no_broken_transaction()
        yield wrapper.connection
        return
    pool.open()
    connection = pool.getconn()
    try:
        if not connection.autocommit:
            connection.autocommit = True  # its last user may have turned it off
        yield connection
    finally:
        pool.putconn(connection)


_names: WeakKeyDictionary[Connection[Any], dict[tuple[bytes, tuple[int, ...], bool], bytes]]
_names = WeakKeyDictionary()
"""Names of the prepared statements of each connection: one for executions alone, which keeps the
plan of the session's settings, and one for executions together."""
_numbers = count()


def _execute(
    connection: Connection[Any], bound: BoundStatement, *, keeps_session: bool
) -> list[Row]:
    if not connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE:
        _begin(connection)
    if not keeps_session:
        result = connection.pgconn.exec_params(bound.text, bound.values, bound.types, bound.formats)
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return read_rows(connection, result)
        raise error_of(connection, result)
    for is_again in (False, True):
        with _planned_for_indexes(connection, bound):
            name = _prepared_name(connection, bound)
            result = connection.pgconn.exec_prepared(name, bound.values, bound.formats)
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return read_rows(connection, result)
        error = error_of(connection, result)
        if is_again or not isinstance(error, InvalidSqlStatementName):
            raise error
        del _names[connection]  # the server has dropped them, as after DISCARD ALL
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            raise error  # the error has ended the transaction
    raise AssertionError("It has returned or raised.")


def _begin(connection: Connection[Any]) -> None:
    """Begin the transaction that psycopg would begin with its next statement."""
    if (connection.isolation_level, connection.read_only, connection.deferrable) != (None,) * 3:
        connection.execute("")  # psycopg knows the options
        return
    result = connection.pgconn.exec_(b"BEGIN")
    if result.status != ExecStatus.COMMAND_OK:
        raise error_of(connection, result)


@contextmanager
def _planned_for_indexes(connection: Connection[Any], bound: BoundStatement) -> Iterator[None]:
    """Let PostgreSQL plan a statement for indexes at its first execution on a connection.

    A plan that is made while a table is empty, and those of its foreign keys' checks, would read
    the whole table from then on, until it is analyzed. Planning anew then follows the statistics.
    """
    if (bound.text, bound.types, False) in _names.get(connection, ()):
        yield
        return
    connection.pgconn.exec_(b"SET enable_seqscan = off")
    try:
        yield
    finally:
        if connection.pgconn.transaction_status != TransactionStatus.INERROR:  # a rollback resets
            connection.pgconn.exec_(b"RESET enable_seqscan")


LOCK_PATIENCE = "100ms"
_BEGIN, _COMMIT = b"BEGIN", b"COMMIT"
_SETTINGS = BoundStatement(
    (
        "SELECT set_config('enable_seqscan', 'off', true),"  # a constant
        f" set_config('lock_timeout', '{LOCK_PATIENCE}', true)"
    ).encode(),
    types=(),
    values=[],
)
"""Of a transaction of several executions, each of which finds its rows by an index."""


def _execute_together(
    connection: Connection[Any], statements: list[BoundStatement], *, keeps_session: bool
) -> list[list[Row]]:
    """Execute them in one transaction and one round trip (libpq's pipeline mode)."""
    pgconn = connection.pgconn
    all_statements = [_SETTINGS, *statements]
    names = [
        _prepared_name(connection, each, is_together=True) if keeps_session else b""
        for each in all_statements
    ]
    pgconn.enter_pipeline_mode()
    try:
        pgconn.send_query_params(_BEGIN, None)
        for name, each in zip(names, all_statements, strict=True):
            if keeps_session:
                pgconn.send_query_prepared(name, each.values, each.formats)
            else:
                pgconn.send_query_params(each.text, each.values, each.types, each.formats)
        pgconn.send_query_params(_COMMIT, None)
        pgconn.pipeline_sync()
        results = _results_until_sync(connection)
    finally:
        if pgconn.status == ConnStatus.OK:
            pgconn.exit_pipeline_mode()
    _raise_failure(connection, results)
    return [read_rows(connection, result) for result in results[2:-1]]


def _results_until_sync(connection: Connection[Any]) -> list[PGresult]:
    """Results of all that was sent. Raises OperationalError if the connection breaks."""
    results: list[PGresult] = []
    while connection.pgconn.status == ConnStatus.OK:
        _wait_for_result(connection.pgconn)
        result = connection.pgconn.get_result()
        if result is None:  # between two statements
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            return results
        results.append(result)
    raise OperationalError("The connection broke before the commit was confirmed.")


def _wait_for_result(pgconn: PGconn) -> None:
    """Wait until a result is there: ``get_result`` would wait with the interpreter lock."""
    while pgconn.is_busy():
        is_unsent = pgconn.flush()
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN | (select.POLLOUT if is_unsent else 0))
        poll.poll()
        pgconn.consume_input()


def _raise_failure(connection: Connection[Any], results: list[PGresult]) -> None:
    """Roll back and raise the error if a statement has failed."""
    for result in results:
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            error = error_of(connection, result)
            connection.rollback()
            if isinstance(error, InvalidSqlStatementName):
                del _names[connection]  # the server has dropped them, as after DISCARD ALL
            raise error
    if results[-1].command_status != _COMMIT:
        raise OperationalError("The server has not committed the transaction.")


def _prepared_name(
    connection: Connection[Any], bound: BoundStatement, *, is_together: bool = False
) -> bytes:
    """Name of the statement on this connection; prepares the statement if needed."""
    names = _names.get(connection)
    if names is None:
        names = _names[connection] = {}
    key = bound.text, bound.types, is_together
    name = names.get(key)
    if name is None:
        name = b"tollgate_%d" % next(_numbers)
        result = connection.pgconn.prepare(name, bound.text, bound.types)
        if result.status != ExecStatus.COMMAND_OK:
            raise error_of(connection, result)
        names[key] = name
    return name


def error_of(connection: Connection[Any], result: PGresult) -> Error:
    """The error of a result; a broken connection gives no error code."""
    if connection.closed:
        return OperationalError(result.get_error_message())
    return error_from_result(result, connection.info.encoding)
