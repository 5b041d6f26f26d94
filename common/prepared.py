"""Statements that a connection plans once: for long ones that run very often.

Django binds values on our side and sends text that is parsed and planned each time. A hot statement
of many parts costs more to plan than to run; here its values go beside it, and the server keeps
the plan for as long as the connection lives.

Outside a transaction such a statement is a transaction of its own, and goes to the server in one
call of libpq that holds no other thread up: psycopg's cursors cost three times as much as the call.
A statement that failed is never sent again, for it may have been committed; only one that the
server does not know any more, and therefore has not begun, is prepared and sent once more.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connection, connections
from psycopg import Connection, Cursor, Error, OperationalError
from psycopg._preparing import Prepare
from psycopg._queries import PostgresQuery  # psycopg's own type of what it sends
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult
from psycopg_pool import ConnectionPool

Row = tuple[Any, ...]


def row(statement: str, given: Mapping[str, Any]) -> Row | None:
    """The first row of what a constant statement returns; None when it returns nothing.

    Raises Django's database errors.
    """
    here = connections[DEFAULT_DB_ALIAS]
    sent = None if here.in_atomic_block or _is_watched() else _sent(statement, given)
    if sent is not None and here.connection is None and here.pool is not None:  # type: ignore[attr-defined]
        with here.wrap_database_errors:
            return _borrowing(here.pool, sent)  # type: ignore[attr-defined]
    connection.ensure_connection()
    if sent is not None and connection.get_autocommit():
        with connection.wrap_database_errors:
            return _directly(connection.connection, sent)
    prepared = _Prepared(connection.connection)
    make = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with make(prepared) as cursor:  # type: ignore[arg-type]  # stubs: a cursor of psycopg's own
        cursor.execute(statement, given)
        found: Row | None = cursor.fetchone()
    return found


def rows(statement: str, given: Mapping[str, Any]) -> list[Row]:
    """All rows of what a constant statement returns; none where it returns nothing.

    Raises Django's database errors.
    """
    connection.ensure_connection()
    prepared = _Prepared(connection.connection)
    make = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with make(prepared) as cursor:  # type: ignore[arg-type]  # stubs: a cursor of psycopg's own
        cursor.execute(statement, given)
        return list(cursor.fetchall()) if cursor.description else []


def _is_watched() -> bool:
    """Whether somebody wants to see each statement."""
    return connection.queries_logged or bool(connection.execute_wrappers)


class _Prepared(Cursor[Any]):
    """Django lets its connections prepare nothing; this does, under names of our own.

    Once psycopg itself has prepared a statement, it deallocates all that the connection has with
    each rollback, and with it those that are sent directly.
    """

    def _get_prepared(
        self, pgq: PostgresQuery, prepare: bool | None = None
    ) -> tuple[Prepare, bytes]:
        return Prepare.YES, _name(self.connection, _Sent(pgq.query, tuple(pgq.types), []))

    def _convert_query(self, query: Any, params: Any = None) -> PostgresQuery:
        """Remember the text also when the server has it already: Django logs it."""
        self._query = super()._convert_query(query, params)
        return self._query


def _borrowing(pool: ConnectionPool[Any], sent: "_Sent") -> Row | None:
    """On a connection that is the pool's again at once: to make one the thread's, and to take it
    away when the request has ended, costs as much as sending."""
    pool.open()
    line = pool.getconn()
    try:
        if not line.autocommit:
            line.autocommit = True  # as whoever had it last did not want it
        return _directly(line, sent)
    finally:
        pool.putconn(line)


class _Sent(NamedTuple):
    """A statement as libpq takes it: text with numbered places, their types and their values."""

    text: bytes
    types: tuple[int, ...]
    values: list[Any]
    """Bytes, and None for NULL."""


_BOOL, _BYTEA, _INT8, _TEXT, _VARCHAR, _TIMESTAMPTZ, _NUMERIC = 16, 17, 20, 25, 1043, 1184, 1700
_INFERRED = 0
"""The type that the statement says, by a cast or a comparison."""
_names: WeakKeyDictionary[Connection[Any], dict[tuple[bytes, tuple[int, ...]], bytes]]
_names = WeakKeyDictionary()
"""What each connection has prepared, and how it is called there."""
_numbers = count()


def _sent(statement: str, given: Mapping[str, Any]) -> _Sent | None:
    """None when a value is of a kind that is left to psycopg."""
    text, names = _numbered(statement)
    types, values = [], []
    for name in names:
        written = _written(given[name])
        if written is None:
            return None
        types.append(written[0])
        values.append(written[1])
    return _Sent(text, tuple(types), values)


@lru_cache(maxsize=64)
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """``%(name)s`` as ``$1``, and the names in their order."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    text = re.sub(r"%%|%\((\w+)\)s", number, statement)
    return text.encode(), tuple(names)


def _written(value: Any) -> tuple[int, bytes | None] | None:
    """The type and the text of a value."""
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
    if isinstance(value, bytes):
        return _BYTEA, b"\\x" + value.hex().encode()
    return (_INFERRED, _array(value)) if isinstance(value, list) and _is_flat(value) else None


def _is_flat(values: list[Any]) -> bool:
    return all(
        isinstance(each, int) or (isinstance(each, str) and "\0" not in each) for each in values
    )


def _array(values: list[Any]) -> bytes:
    """As PostgreSQL reads an array; every text in quotes."""
    written = [
        str(int(each))
        if isinstance(each, int)
        else '"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for each in values
    ]
    return ("{" + ",".join(written) + "}").encode()


def _directly(line: Connection[Any], sent: _Sent) -> Row | None:
    for is_again in (False, True):
        result = line.pgconn.exec_prepared(_name(line, sent), sent.values)
        if result.status == ExecStatus.TUPLES_OK:
            return _first(line, result)
        error = _error(line, result)
        if is_again or not isinstance(error, InvalidSqlStatementName):
            raise error
        del _names[line]  # forgotten there, as after DISCARD ALL
    raise AssertionError("It has returned or raised.")


def _name(line: Connection[Any], sent: _Sent) -> bytes:
    """What the statement is called on this connection; prepared now if need be."""
    names = _names.get(line)
    if names is None:
        names = _names[line] = {}
    name = names.get((sent.text, sent.types))
    if name is None:
        name = b"hot_%d" % next(_numbers)
        result = line.pgconn.prepare(name, sent.text, sent.types)
        if result.status != ExecStatus.COMMAND_OK:
            raise _error(line, result)
        names[sent.text, sent.types] = name
    return name


def _error(line: Connection[Any], result: PGresult) -> Error:
    """A connection that broke tells no code."""
    if line.closed:
        return OperationalError(result.get_error_message())
    return error_from_result(result, line.info.encoding)


_READ: dict[int, Callable[[bytes], Any]] = {
    _BOOL: b"t".__eq__,
    _INT8: int,
    _TEXT: bytes.decode,
    _VARCHAR: bytes.decode,
    _TIMESTAMPTZ: lambda text: datetime.fromisoformat(text.decode()),
    _NUMERIC: lambda text: Decimal(text.decode()),
}


def _first(line: Connection[Any], result: PGresult) -> Row | None:
    if not result.ntuples:
        return None
    found: list[Any] = []
    for column in range(result.nfields):
        value, type_ = result.get_value(0, column), result.ftype(column)
        if value is not None:
            read = _READ.get(type_)
            value = read(value) if read else _load(line, type_, value)
        found.append(value)
    return tuple(found)


def _load(line: Connection[Any], type_: int, value: bytes) -> Any:
    """As psycopg reads what is rare."""
    loader = line.adapters.get_loader(type_, Format.TEXT)
    return loader(type_, line).load(value) if loader else value.decode()
