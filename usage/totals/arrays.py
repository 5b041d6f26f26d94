"""Columns of many rows as PostgreSQL array literals, for one statement.

psycopg writes an array value by value, which costs several times what the database does with it.
Only for values that need no quotes: ids, numbers, timestamps, hexadecimal digests.
"""

from collections.abc import Iterable
from datetime import datetime


def of_texts(values: Iterable[str]) -> str:
    """Texts must be non-empty, without blanks, commas, braces, quotes and backslashes."""
    return f"{{{','.join(values)}}}"


def of_numbers(values: Iterable[int]) -> str:
    return of_texts(map(str, values))


def of_moments(values: Iterable[datetime]) -> str:
    texts: list[str] = []
    last, text = None, ""
    for value in values:
        if value is not last:  # most are the same: an hour, or the moment of their arrival
            last, text = value, value.isoformat()
        texts.append(text)
    return of_texts(texts)


def of_digests(values: Iterable[bytes | None]) -> str:
    """For ``decode(…, 'hex')``."""
    return of_texts(["NULL" if value is None else value.hex() for value in values])
