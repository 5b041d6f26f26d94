"""Constant statements and their values as libpq takes them, and values as it returns them."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.pq import Format
from psycopg.pq.abc import PGresult

from common.binary_arrays import ARRAY_TYPES, BinaryArray

Row = tuple[Any, ...]


class BoundStatement(NamedTuple):
    """A statement for libpq: text with numbered parameters, their types and their values."""

    text: bytes
    types: tuple[int, ...]
    values: list[Any]
    """Encoded values; None for NULL."""

    @property
    def formats(self) -> tuple[Format, ...]:
        return _formats(self.types)


_BOOL, _BYTEA, _INT8, _TEXT, _VARCHAR, _NUMERIC = 16, 17, 20, 25, 1043, 1700
_TIMESTAMPTZ, _INTERVAL = 1184, 1186
_BINARY = frozenset({_BYTEA, *ARRAY_TYPES})
_INFERRED = 0
"""Type 0: the server infers the type from a cast or a comparison."""


def bind(statement: str, parameters: Mapping[str, Any]) -> BoundStatement | None:
    """The statement with its values; None if psycopg has to adapt a value."""
    text, names = _numbered(statement)
    types, values = [], []
    for name in names:
        encoded = _encode(parameters[name])
        if encoded is None:
            return None
        types.append(encoded[0])
        values.append(encoded[1])
    return BoundStatement(text, tuple(types), values)


@cache
def _formats(types: tuple[int, ...]) -> tuple[Format, ...]:
    """Bytes and packed arrays are sent as they are, all other values as text."""
    return tuple(Format.BINARY if type_ in _BINARY else Format.TEXT for type_ in types)


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
        return _BYTEA, value
    return _encode_array(value)


def _encode_array(value: Any) -> tuple[int, bytes] | None:
    if isinstance(value, BinaryArray):
        return value.type_, value.packed
    return (_INFERRED, _array(value)) if isinstance(value, list) and _is_flat(value) else None


def _is_flat(values: list[Any]) -> bool:
    return all(
        value is None or isinstance(value, int) or (isinstance(value, str) and "\0" not in value)
        for value in values
    )


def _array(values: list[Any]) -> bytes:
    """The text of an array for PostgreSQL; all strings are quoted."""
    return ("{" + ",".join(map(_element, values)) + "}").encode()


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(int(value))
    text: str = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


_READ: dict[int, Callable[[bytes], Any]] = {
    _BOOL: b"t".__eq__,
    _INT8: int,
    _TEXT: bytes.decode,
    _VARCHAR: bytes.decode,
    _TIMESTAMPTZ: lambda text: datetime.fromisoformat(text.decode()),
    _NUMERIC: lambda text: Decimal(text.decode()),
}


def read_rows(connection: Connection[Any], result: PGresult) -> list[Row]:
    """The rows of a result."""
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
