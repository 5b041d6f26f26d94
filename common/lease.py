"""Leases: one worker has a row to itself for a limited time, by the database's clock.

A lease is stored in the row that is worked on:

* ``until`` is the end of the lease. A row without one is free, and so is a row whose lease has
  ended: the next claim finds the rows of a worker that died like any other row.
* ``fence`` changes with each claim. A worker names the fence of its own claim in all that it
  stores, so a worker whose lease has ended changes nothing in a row that another one has claimed.

Claim before the work begins (for Stripe: before the object is read), :func:`write` progress,
:func:`renew` while the work lasts, and :func:`release` the row together with the result.
:func:`take` and :func:`claim` lease rows that the ORM selects; :func:`claim_sql` and
:func:`renew_sql` make the statements of a queue that selects its rows by SQL. Which due rows come
first, and how long a failed one waits: ``common.fair_queue``, ``common.retry_pause``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now

from common.selectors import leased_rows

ModelT = TypeVar("ModelT", bound=Model)


class LeaseLost(Exception):
    """The lease has ended, and another worker has claimed the row since."""


@dataclass(frozen=True, slots=True)
class LeaseColumns:
    """The names of a table's two columns. By default the end of a lease is its fence as well: two
    leases of one row never end in the same microsecond."""

    until: str = "leased_until"
    fence: str = "leased_until"


LEASED_UNTIL = LeaseColumns()

IS_FREE = "(leased_until IS NULL OR leased_until < statement_timestamp())"
""":func:`is_free` in SQL, for a table whose column is called ``leased_until``."""


def is_free(columns: LeaseColumns = LEASED_UNTIL) -> Q:
    """Condition of rows that no worker holds."""
    return Q(**{f"{columns.until}__isnull": True}) | Q(**{f"{columns.until}__lt": Now()})


def take(
    rows: QuerySet[Any],
    *,
    duration: timedelta,
    columns: LeaseColumns = LEASED_UNTIL,
    **values: object,
) -> int:
    """Lease those of these rows that are free, and store values in them. Returns how many."""
    free = rows.filter(is_free(columns))
    return free.update(**{columns.until: Now() + duration}, **values)


def claim(
    chosen: Sequence[ModelT],
    *,
    due: QuerySet[ModelT],
    rows: QuerySet[ModelT],
    duration: timedelta,
    columns: LeaseColumns = LEASED_UNTIL,
) -> list[ModelT]:
    """Lease those of the chosen rows that are still ``due`` and free; return them as ``due`` reads
    them, in the order of ``chosen``. Rows that another transaction has locked are left out.

    ``rows`` are the table's rows without a condition, for the update.
    """
    keys = [row.pk for row in chosen]
    with transaction.atomic():
        locked = leased_rows.lock_unlocked(due.filter(is_free(columns), pk__in=keys))
        rows_by_key = {row.pk: row for row in locked}
        renew(rows.filter(pk__in=rows_by_key), duration=duration, columns=columns)
    return [rows_by_key[key] for key in keys if key in rows_by_key]


def renew(rows: QuerySet[Any], *, duration: timedelta, columns: LeaseColumns = LEASED_UNTIL) -> int:
    """Begin the leases of these rows anew. The caller has locked the rows and compared fences."""
    return rows.update(**{columns.until: Now() + duration})


def write(
    rows: QuerySet[Any],
    *,
    key: object,
    fence: object,
    columns: LeaseColumns = LEASED_UNTIL,
    **values: object,
) -> bool:
    """Store values in a leased row. False when the lease is lost: then nothing is changed.

    ``key`` is the row's primary key, ``fence`` the value that the claim has read or set.
    """
    leased = rows.filter(pk=key, **{columns.fence: fence})
    return leased.update(**values) == 1


def release(
    rows: QuerySet[Any],
    *,
    key: object,
    fence: object,
    columns: LeaseColumns = LEASED_UNTIL,
    **values: object,
) -> bool:
    """Store values in a leased row and end the lease. False when the lease is lost: then nothing
    is changed."""
    return write(rows, key=key, fence=fence, columns=columns, **{columns.until: None}, **values)


_CLAIM = """
{chosen}, due AS (
    SELECT leased.id, leased_until IS NOT NULL AS is_abandoned, chosen.place
    FROM {table} AS leased JOIN chosen ON chosen.id = leased.id
    WHERE {is_due} AND {is_free}
    FOR UPDATE OF leased SKIP LOCKED
), claimed AS (
    UPDATE {table} AS leased
    SET epoch = leased.epoch + 1, leased_until = statement_timestamp() + %(lease)s
    FROM due
    WHERE leased.id = due.id
    RETURNING {leased_columns}, due.is_abandoned, due.place
)
SELECT {columns}, is_abandoned FROM claimed ORDER BY place
"""

_RENEW = """
WITH locked AS (
    SELECT leased.id
    FROM {table} AS leased
    JOIN unnest(%(ids)s::{id_type}[], %(epochs)s::bigint[]) AS held (id, epoch)
        ON leased.id = held.id AND leased.epoch = held.epoch
    ORDER BY {order} FOR UPDATE OF leased
)
UPDATE {table} AS leased
SET leased_until = statement_timestamp() + %(lease)s
FROM locked
WHERE leased.id = locked.id
RETURNING leased.id
"""


def claim_sql(*, chosen: str, table: str, is_due: str, returned: Sequence[str]) -> str:
    """The statement that leases chosen rows of a table that has ``id``, ``leased_until`` and
    ``epoch`` (the fence, counted up by each claim), in the order of ``place``.

    ``chosen`` is a WITH clause that ends with the query ``chosen (id, place)``; ``is_due`` is the
    condition that a row must still meet when it is locked. Parameter: ``lease``, the duration.
    Returns the columns ``returned`` of each leased row, then whether its last lease was
    abandoned: it ended without a release, because its worker died or took too long.
    """
    return _CLAIM.format(
        chosen=chosen,
        table=table,
        is_due=is_due,
        is_free=IS_FREE,
        leased_columns=", ".join(f"leased.{column}" for column in returned),
        columns=", ".join(returned),
    )


def renew_sql(*, table: str, order: Sequence[str] = ("id",), id_type: str = "bigint") -> str:
    """The statement that begins leases of such a table anew, as far as they are still held.

    It locks the rows in the order of these columns; what else locks several of them has to take
    the same order, which prevents deadlocks.
    Parameters: ``ids`` and ``epochs``, lists of the same length, and ``lease``, the duration.
    """
    columns = ", ".join(f"leased.{column}" for column in order)
    return _RENEW.format(table=table, order=columns, id_type=id_type)
