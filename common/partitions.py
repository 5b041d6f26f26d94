"""Tables partitioned by month (UTC): partitions are created in advance, and old ones dropped.

Rows of a month without a partition are stored in the default partition (``usage_record_rest``), so
nothing is lost if the chore has not run; creating the month moves them. Table names cannot be
parameters of a statement: they are built from a year and a month here, and quoted.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from django.db import OperationalError, connection, transaction
from psycopg import sql

from common import ids

log = structlog.get_logger(__name__)

MONTHS_AHEAD = 3
LOCK_TIMEOUT = "2s"
"""Longest wait for locks, because other transactions queue behind it; the next run tries again."""

_PARTITIONS = """
SELECT child.relname FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = %s::regclass AND child.relname <> %s
ORDER BY child.relname
"""
_SMALLEST = "SELECT min({column}) FROM {rest} WHERE {column} >= {since}"
_CREATE = (
    "CREATE TABLE {partition} (LIKE {table} INCLUDING ALL)",
    # Moving is not deleting: a trigger that refuses to delete rows does not apply to it.
    "ALTER TABLE {rest} DISABLE TRIGGER USER",
    """
    WITH moved AS (DELETE FROM {rest} WHERE {window} RETURNING *)
    INSERT INTO {partition} SELECT * FROM moved
    """,
    "ALTER TABLE {rest} ENABLE TRIGGER USER",
    # Attaching then needs no scan of the partition's rows.
    "ALTER TABLE {partition} ADD CONSTRAINT {check} CHECK ({window})",
    "ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({since}) TO ({until})",
    "ALTER TABLE {partition} DROP CONSTRAINT {check}",
)


class Month(NamedTuple):
    """A calendar month in UTC."""

    year: int
    month: int

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    @property
    def starts_at(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    def after(self, months: int = 1) -> "Month":
        years, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(years, month + 1)


@dataclass(frozen=True)
class MonthlyTable:
    """A table partitioned by ranges of one column, one partition per month.

    The column holds timestamps or, with ``id_prefix``, public ids with this prefix, which begin
    with the millisecond of their creation.
    """

    name: str
    column: str
    id_prefix: str = ""

    @property
    def rest(self) -> str:
        """Name of the default partition."""
        return f"{self.name}_rest"

    def partition(self, month: Month) -> str:
        """Name of the month's partition."""
        return f"{self.name}_{month.year:04d}_{month.month:02d}"

    def lower_bound(self, month: Month) -> datetime | str:
        """Smallest value of the column in this month."""
        if self.id_prefix:
            return ids.first_id(self.id_prefix, month.starts_at)
        return month.starts_at

    def month_of(self, value: Any) -> Month:
        """The month of this value of the column."""
        return Month.of(ids.time_of(value) if self.id_prefix else value)


def months(table: MonthlyTable) -> list[Month]:
    """Months with a partition of their own, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS, [table.name, table.rest])
        names = [name.removeprefix(f"{table.name}_") for (name,) in cursor.fetchall()]
    return [Month(*map(int, name.split("_"))) for name in names]


def make(table: MonthlyTable, *, at: datetime) -> list[Month]:
    """Create the partitions of this month, of the months ahead, and of months with rows in the
    rest.

    Returns the created months. If the table is locked for too long, the next run continues.
    """
    upcoming = [Month.of(at).after(number) for number in range(MONTHS_AHEAD + 1)]
    missing = sorted({*upcoming, *_months_in_rest(table)} - set(months(table)))
    for number, month in enumerate(missing):
        try:
            _create(table, month)
        except OperationalError as error:
            name = table.partition(month)
            log.warning("partition_not_made", table=name, error=type(error).__name__)
            return missing[:number]
    return missing


def drop(table: MonthlyTable, month: Month) -> None:
    """Drop the month's partition with its rows. Raises OperationalError while the table is busy."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(table.partition(month))))


def _months_in_rest(table: MonthlyTable) -> set[Month]:
    months_in_rest: set[Month] = set()
    since = Month(1, 1)
    with connection.cursor() as cursor:
        while True:
            statement = sql.SQL(_SMALLEST).format(
                column=sql.Identifier(table.column),
                rest=sql.Identifier(table.rest),
                since=sql.Literal(table.lower_bound(since)),
            )
            cursor.execute(statement)
            (smallest,) = cursor.fetchone()
            if smallest is None:
                return months_in_rest
            month = table.month_of(smallest)
            months_in_rest.add(month)
            since = month.after()


def _create(table: MonthlyTable, month: Month) -> None:
    """Create the partition in one transaction; writers of the rest wait while its rows are
    moved."""
    names = {
        "table": sql.Identifier(table.name),
        "rest": sql.Identifier(table.rest),
        "partition": sql.Identifier(table.partition(month)),
        "check": sql.Identifier(f"{table.partition(month)}_month"),
    }
    bounds = {
        "since": sql.Literal(table.lower_bound(month)),
        "until": sql.Literal(table.lower_bound(month.after())),
    }
    window = sql.SQL("{column} >= {since} AND {column} < {until}").format(
        column=sql.Identifier(table.column), **bounds
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        cursor.execute(sql.SQL("LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE").format(**names))
        for statement in _CREATE:
            cursor.execute(sql.SQL(statement).format(window=window, **names, **bounds))
