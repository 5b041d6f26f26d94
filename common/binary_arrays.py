"""Columns of many rows as arrays in PostgreSQL's binary form, for prepared statements.

The server reads them without parsing. psycopg would write a list value by value, which costs
several times what the database does with it; here most columns are packed by a few calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from struct import Struct
from typing import Any

HEADER = Struct(">iiIii")
"""Dimensions, whether an element is NULL, type of the elements, their number, first index."""
LENGTH, NUMBER = Struct(">i"), Struct(">iq")
NULL = LENGTH.pack(-1)
POSTGRES_EPOCH, MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
"""PostgreSQL's binary timestamps count microseconds from here."""
_TEXTS, _NUMBERS, _MOMENTS, _BYTES = 1009, 1016, 1185, 1001
ARRAY_TYPES = frozenset({_TEXTS, _NUMBERS, _MOMENTS, _BYTES})
"""PostgreSQL's numbers of the types of all arrays that are made here."""
SHORT = 128
"""Lengths below it are one byte in UTF-8."""


@dataclass(frozen=True, slots=True)
class BinaryArray:
    """An array as a parameter of a prepared statement; ``values`` is the same for a cursor."""

    type_: int
    packed: bytes
    values: Sequence[Any]


def of_texts(values: Sequence[str]) -> BinaryArray:
    return _build(_TEXTS, 25, _pack_texts(values), values)


def of_numbers(values: Sequence[int]) -> BinaryArray:
    """Numbers within ``bigint``; raises struct.error for others."""
    return _build(_NUMBERS, 20, b"".join(map(NUMBER.pack, repeat(8), values)), values)


def of_moments(values: Sequence[datetime | None]) -> BinaryArray:
    if values and values.count(values[0]) == len(values):  # an hour, or the time of arrival
        packed = _pack_moment(values[0]) * len(values)
    else:
        packed = b"".join(map(_pack_moment, values))
    return _build(_MOMENTS, 1184, packed, values, has_nulls=None in values)


def of_bytes(values: Sequence[bytes | None]) -> BinaryArray:
    if values.count(None) == len(values):
        packed = NULL * len(values)
    else:
        packed = b"".join(
            [NULL if value is None else LENGTH.pack(len(value)) + value for value in values]
        )
    return _build(_BYTES, 17, packed, values, has_nulls=None in values)


def _build(
    type_: int, element_type: int, packed: bytes, values: Sequence[Any], *, has_nulls: bool = False
) -> BinaryArray:
    if not values:
        return BinaryArray(type_, HEADER.pack(0, 0, element_type, 0, 0)[:12], values)
    header = HEADER.pack(1, int(has_nulls), element_type, len(values), 1)
    return BinaryArray(type_, header + packed, values)


def _pack_texts(values: Sequence[str]) -> bytes:
    lengths = set(map(len, values))
    if len(lengths) == 1 and max(lengths) < SHORT:  # as public ids are
        length = lengths.pop()
        mark = f"\0\0\0{chr(length)}"
        packed = (mark + mark.join(values)).encode()
        if len(packed) == len(values) * (LENGTH.size + length):  # all characters are ASCII
            return packed
    return b"".join([LENGTH.pack(len(text)) + text for text in map(str.encode, values)])


def _pack_moment(value: datetime | None) -> bytes:
    if value is None:
        return NULL
    return NUMBER.pack(8, (value - POSTGRES_EPOCH) // MICROSECOND)
