"""Insert rows that may be there already: everyday after a retry, and no error to PostgreSQL.

PostgreSQL logs each statement that breaks a unique index. What comes twice in calm weather, a
webhook and the request that caused it, two first requests of a user, a batch that is sent again,
is inserted here instead of being caught afterwards: the log is for what somebody has to look at.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from django.db.models import Model


def insert(row: Model) -> bool:
    """Insert the row; False, and nothing is written, where a unique index holds another like it.

    Waits for a transaction that is inserting another like it. Raises IntegrityError for whatever
    else the database refuses, as a foreign key to nothing.
    """
    return insert_many([row]) == 1


def insert_many(rows: Sequence[Model]) -> int:
    """As :func:`insert`; how many were inserted. ``rows`` are of one model.

    Give them in one order everywhere: two calls with the same rows then wait for each other.
    """
    written = 0

    def count(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal written
        result = execute(sql, params, many, context)
        written += context["cursor"].rowcount
        return result

    if rows:
        with connection.execute_wrapper(count):
            manager = type(rows[0])._default_manager  # noqa: SLF001  # Django's documented name
            manager.bulk_create(rows, ignore_conflicts=True)
    return written
