"""Many rows for one statement: each column as one array, written as PostgreSQL reads it.

psycopg would write an array value by value, which costs several times what the database does with
it. Only for what needs no quotes: ids, numbers, moments, digests in hexadecimal.
"""

from collections.abc import Iterable
from datetime import datetime


def of_texts(values: Iterable[str]) -> str:
    """Words without blanks, commas, braces, quotes and backslashes; none is empty."""
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
