"""Statements that a connection plans once: for long ones that run very often.

Django binds values on our side and sends text that is parsed and planned each time. A hot statement
of many parts costs more to plan than to run; here its values go beside it, and the server keeps
the plan for as long as the connection lives.

Such a statement goes to the server in one call of libpq (``psycopg.pq``) that holds no other thread
up: psycopg's cursors cost three times as much. The statements have names of our own. Those that
psycopg prepares it deallocates with each rollback, and all others with them. Outside a transaction
such a statement is a transaction of its own. A statement that failed is never sent again, for it
may have been committed; only one that the server does not know any more, and therefore has not
begun, is prepared and sent once more.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
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

Row = tuple[Any, ...]


def row(statement: str, given: Mapping[str, Any]) -> Row | None:
    """The first row of what a constant statement returns; None when it returns nothing.

    Raises Django's database errors.
    """
    found = rows(statement, given)
    return found[0] if found else None


def rows(statement: str, given: Mapping[str, Any]) -> list[Row]:
    """All rows of what a constant statement returns; none where it returns nothing.

    Raises Django's database errors.
    """
    here = connections[DEFAULT_DB_ALIAS]
    sent = None if _is_watched(here) else _sent(statement, given)
    if sent is None:
        return _by_cursor(here, statement, given)
    if not here.in_atomic_block and here.connection is None and here.pool is not None:  # type: ignore[attr-defined]
        with here.wrap_database_errors:
            return _borrowing(here.pool, sent)  # type: ignore[attr-defined]
    here.ensure_connection()
    here.validate_no_broken_transaction()
    with here.wrap_database_errors:
        return _directly(here.connection, sent)


def _by_cursor(here: BaseDatabaseWrapper, statement: str, given: Mapping[str, Any]) -> list[Row]:
    """By a cursor of psycopg's, which Django logs where it logs: nothing is prepared."""
    here.ensure_connection()
    make = here.make_debug_cursor if here.queries_logged else here.make_cursor
    with make(Cursor(here.connection)) as cursor:  # type: ignore[arg-type]  # stubs: it is wrapped here
        cursor.execute(statement, given)
        return list(cursor.fetchall()) if cursor.description else []


def _is_watched(here: BaseDatabaseWrapper) -> bool:
    """Whether somebody wants to see each statement."""
    return here.queries_logged or bool(here.execute_wrappers)


def _borrowing(pool: ConnectionPool[Any], sent: "_Sent") -> list[Row]:
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


def _directly(line: Connection[Any], sent: _Sent) -> list[Row]:
    if not line.autocommit and line.pgconn.transaction_status == TransactionStatus.IDLE:
        line.execute("")  # psycopg begins the transaction
    for is_again in (False, True):
        result = line.pgconn.exec_prepared(_name(line, sent), sent.values)
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return _rows(line, result)
        error = _error(line, result)
        if is_again or not isinstance(error, InvalidSqlStatementName):
            raise error
        del _names[line]  # forgotten there, as after DISCARD ALL
        if line.pgconn.transaction_status != TransactionStatus.IDLE:
            raise error  # which has ended its transaction
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


def _rows(line: Connection[Any], result: PGresult) -> list[Row]:
    columns = [_column(line, result, number) for number in range(result.nfields)]
    return list(zip(*columns, strict=True))


def _column(line: Connection[Any], result: PGresult, number: int) -> list[Any]:
    type_ = result.ftype(number)
    values = [result.get_value(row_number, number) for row_number in range(result.ntuples)]
    read = _READ.get(type_) or _reader(line, type_)
    return [None if value is None else read(value) for value in values]


def _reader(line: Connection[Any], type_: int) -> Callable[[bytes], Any]:
    """As psycopg reads what is rare."""
    loader = line.adapters.get_loader(type_, Format.TEXT)
    return loader(type_, line).load if loader else bytes.decode
