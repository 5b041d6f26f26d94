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
    return of_texts([value.isoformat() for value in values])


def of_digests(values: Iterable[bytes | None]) -> str:
    """For ``decode(…, 'hex')``."""
    return of_texts(["NULL" if value is None else value.hex() for value in values])
