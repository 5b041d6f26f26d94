"""Insert rows that may already exist, without an error in PostgreSQL.

PostgreSQL logs every statement that violates a unique index. Duplicates are normal in some cases (a
webhook and the request that caused it, two first requests of a user, a batch sent again). Those are
inserted with ``ON CONFLICT DO NOTHING``, so that the log contains real errors only.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from django.db.models import Model


def insert(row: Model) -> bool:
    """Insert the row; return False, without a change, if a unique index already has such a row.

    Waits for a concurrent transaction that inserts such a row. Raises IntegrityError for other
    violations, such as a missing foreign key.
    """
    return insert_many([row]) == 1


def insert_many(rows: Sequence[Model]) -> int:
    """Insert rows of one model like :func:`insert`; return the number of inserted rows.

    Callers must pass the rows in a fixed order: two calls with the same rows then wait for each
    other without a deadlock.
    """
    inserted = 0

    def count(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal inserted
        result = execute(sql, params, many, context)
        inserted += context["cursor"].rowcount
        return result

    if rows:
        with connection.execute_wrapper(count):
            manager = type(rows[0])._default_manager  # noqa: SLF001  # Django's documented name
            manager.bulk_create(rows, ignore_conflicts=True)
    return inserted
