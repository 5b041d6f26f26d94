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
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import count
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Connection, Cursor, Error, OperationalError
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg_pool import ConnectionPool

from common.binary_arrays import BinaryArray

Row = tuple[Any, ...]


def fetch_row(statement: str, parameters: Mapping[str, Any]) -> Row | None:
    """Return the first row of a constant statement; None without one. Raises Django's database
    errors."""
    result = fetch_rows(statement, parameters)
    return result[0] if result else None


def fetch_rows(statement: str, parameters: Mapping[str, Any]) -> list[Row]:
    """Return all rows of a constant statement. Raises Django's database errors."""
    wrapper = connections[DEFAULT_DB_ALIAS]
    bound = None if _is_watched(wrapper) else _bind(statement, parameters)
    if bound is None:
        return _execute_by_cursor(wrapper, statement, parameters)
    keeps_session: bool = wrapper.keeps_session  # type: ignore[attr-defined]
    if not wrapper.in_atomic_block and wrapper.connection is None and wrapper.pool is not None:  # type: ignore[attr-defined]
        with wrapper.wrap_database_errors:
            return _execute_on_pool(wrapper.pool, bound, keeps_session=keeps_session)  # type: ignore[attr-defined]
    wrapper.ensure_connection()
    wrapper.validate_no_broken_transaction()
    with wrapper.wrap_database_errors:
        return _execute(wrapper.connection, bound, keeps_session=keeps_session)


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


def _execute_on_pool(
    pool: ConnectionPool[Any], bound: "_BoundStatement", *, keeps_session: bool
) -> list[Row]:
    """Execute on a connection that goes back to the pool at once.

    Binding a connection to the thread, and releasing it after the request, costs as much as the
    statement.
    """
    pool.open()
    connection = pool.getconn()
    try:
        if not connection.autocommit:
            connection.autocommit = True  # its last user may have turned it off
        return _execute(connection, bound, keeps_session=keeps_session)
    finally:
        pool.putconn(connection)


class _BoundStatement(NamedTuple):
    """A statement for libpq: text with numbered parameters, their types and their values."""

    text: bytes
    types: tuple[int, ...]
    values: list[Any]
    """Encoded values; None for NULL."""
    formats: list[int]
    """1 for a value in binary form, 0 for text."""


_BOOL, _BYTEA, _INT8, _TEXT, _VARCHAR, _NUMERIC = 16, 17, 20, 25, 1043, 1700
_TIMESTAMPTZ, _INTERVAL = 1184, 1186
_INFERRED = 0
"""Type 0: the server infers the type from a cast or a comparison."""
_names: WeakKeyDictionary[Connection[Any], dict[tuple[bytes, tuple[int, ...]], bytes]]
_names = WeakKeyDictionary()
"""Names of the prepared statements of each connection."""
_numbers = count()


def _bind(statement: str, parameters: Mapping[str, Any]) -> _BoundStatement | None:
    """The statement with its values; None if psycopg has to adapt a value."""
    text, names = _numbered(statement)
    types: list[int] = []
    values: list[bytes | None] = []
    formats: list[int] = []
    for name in names:
        value = parameters[name]
        is_binary = isinstance(value, BinaryArray)
        encoded = (value.type_, value.packed) if is_binary else _encode(value)
        if encoded is None:
            return None
        types.append(encoded[0])
        values.append(encoded[1])
        formats.append(Format.BINARY if is_binary else Format.TEXT)
    return _BoundStatement(text, tuple(types), values, formats)


@cache
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """The statement with ``$1`` for ``%(name)s``, and the names in order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    text = re.sub(r"%%|%\((\w+)\)s", number, statement)
    return text.encode(), tuple(names)


def _encode(value: Any) -> tuple[int, bytes | None] | None:
    """Type and text of a value; None if psycopg has to adapt it."""
    if isinstance(value, str):
        return None if "\0" in value else (_INFERRED, value.encode())
    if value is None:
        return _INFERRED, None
    if isinstance(value, bool):
        return _BOOL, b"t" if value else b"f"
    if isinstance(value, int):
        return (_INT8, b"%d" % value) if -(2**63) <= value < 2**63 else None
    if isinstance(value, datetime):
        return None if value.tzinfo is None else (_TIMESTAMPTZ, value.isoformat(" ").encode())
    if isinstance(value, timedelta):
        return _INTERVAL, b"%d microseconds" % (value // timedelta(microseconds=1))
    if isinstance(value, bytes):
        return _BYTEA, b"\\x" + value.hex().encode()
    return (_INFERRED, _array(value)) if isinstance(value, list) and _is_flat(value) else None


def _is_flat(values: list[Any]) -> bool:
    return all(
        isinstance(value, int) or (isinstance(value, str) and "\0" not in value) for value in values
    )


def _array(values: list[Any]) -> bytes:
    """The text of an array for PostgreSQL; all strings are quoted."""
    elements = [
        str(int(value))
        if isinstance(value, int)
        else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for value in values
    ]
    return ("{" + ",".join(elements) + "}").encode()


def _execute(
    connection: Connection[Any], bound: _BoundStatement, *, keeps_session: bool
) -> list[Row]:
    if not connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE:
        _begin(connection)
    if not keeps_session:
        result = connection.pgconn.exec_params(bound.text, bound.values, bound.types, bound.formats)
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return _rows(connection, result)
        raise _error(connection, result)
    for is_again in (False, True):
        result = connection.pgconn.exec_prepared(
            _prepared_name(connection, bound), bound.values, bound.formats
        )
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return _rows(connection, result)
        error = _error(connection, result)
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
        raise _error(connection, result)


def _prepared_name(connection: Connection[Any], bound: _BoundStatement) -> bytes:
    """Name of the statement on this connection; prepares the statement if needed."""
    names = _names.get(connection)
    if names is None:
        names = _names[connection] = {}
    name = names.get((bound.text, bound.types))
    if name is None:
        name = b"tollgate_%d" % next(_numbers)
        result = connection.pgconn.prepare(name, bound.text, bound.types)
        if result.status != ExecStatus.COMMAND_OK:
            raise _error(connection, result)
        names[bound.text, bound.types] = name
    return name


def _error(connection: Connection[Any], result: PGresult) -> Error:
    """The error of a result; a broken connection gives no error code."""
    if connection.closed:
        return OperationalError(result.get_error_message())
    return error_from_result(result, connection.info.encoding)


_READ: dict[int, Callable[[bytes], Any]] = {
    _BOOL: b"t".__eq__,
    _INT8: int,
    _TEXT: bytes.decode,
    _VARCHAR: bytes.decode,
    _TIMESTAMPTZ: lambda text: datetime.fromisoformat(text.decode()),
    _NUMERIC: lambda text: Decimal(text.decode()),
}


def _rows(connection: Connection[Any], result: PGresult) -> list[Row]:
    columns = [_column(connection, result, number) for number in range(result.nfields)]
    return list(zip(*columns, strict=True))


def _column(connection: Connection[Any], result: PGresult, number: int) -> list[Any]:
    type_ = result.ftype(number)
    values = [result.get_value(row_number, number) for row_number in range(result.ntuples)]
    read = _READ.get(type_) or _reader(connection, type_)
    return [None if value is None else read(value) for value in values]


def _reader(connection: Connection[Any], type_: int) -> Callable[[bytes], Any]:
    """psycopg's function that reads a rarer type."""
    loader = connection.adapters.get_loader(type_, Format.TEXT)
    return loader(type_, connection).load if loader else bytes.decode
