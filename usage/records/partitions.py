"""A table of records for each month, made ahead of time and dropped when nobody needs it.

Records of a month without one lie in the default partition, so nothing is lost where the chore has
not run; it moves them when it makes the month. Names of tables cannot be parameters of a
statement: they are made from a year and a month here, and quoted.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from django.db import OperationalError, connection, transaction
from psycopg import sql

log = structlog.get_logger(__name__)

TABLE, REST = "usage_record", "usage_record_rest"
AHEAD = 3
"""Months that are there before they begin."""
PATIENCE = "2s"
"""How long a change of the table may wait for others, who wait behind it; else the next run."""

MADE = """
SELECT child.relname FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = %s::regclass AND child.relname <> %s
ORDER BY child.relname
"""
STEPS = (
    "CREATE TABLE {table} (LIKE usage_record INCLUDING ALL)",
    """
    WITH moved AS (DELETE FROM {rest} WHERE {window} RETURNING *)
    INSERT INTO {table} SELECT * FROM moved
    """,
    "ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({window})",
    """
    ALTER TABLE usage_record ATTACH PARTITION {table} FOR VALUES FROM ({since}) TO ({until})
    """,
    "ALTER TABLE {table} DROP CONSTRAINT {check}",
)
"""How a month gets its table; the check spares the database a look at every row."""


class Month(NamedTuple):
    """A month of the calendar, UTC."""

    year: int
    month: int

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    @property
    def starts_at(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def table(self) -> str:
        return f"{TABLE}_{self.year:04d}_{self.month:02d}"

    def after(self, months: int = 1) -> "Month":
        years, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(years, month + 1)


def made() -> list[Month]:
    """The months that have a table of their own, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(MADE, [TABLE, REST])
        names = [name.removeprefix(f"{TABLE}_") for (name,) in cursor.fetchall()]
    return [Month(*map(int, name.split("_"))) for name in names]


def make(*, at: datetime) -> list[Month]:
    """The months that were made now: of this one, those ahead, and those with records in the rest.

    Where others are at work on the table for too long, the next run goes on.
    """
    there = set(made())
    ahead = [Month.of(at).after(number) for number in range(AHEAD + 1)]
    wanted = sorted({*ahead, *_in_rest()} - there)
    for number, month in enumerate(wanted):
        try:
            _make(month)
        except OperationalError as error:
            log.warning("partition_not_made", table=month.table, error=type(error).__name__)
            return wanted[:number]
    return wanted


def drop(month: Month) -> None:
    """The month's records are gone; their keys are somebody else's."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
        cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(month.table)))


def _in_rest() -> set[Month]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT date_trunc('month', occurred_at, 'UTC') FROM usage_record_rest"
        )
        return {Month.of(moment) for (moment,) in cursor.fetchall()}


def _make(month: Month) -> None:
    """In one transaction, with writers of the rest kept out while its rows move."""
    table, rest = sql.Identifier(month.table), sql.Identifier(REST)
    bounds = {"since": month.starts_at, "until": month.after().starts_at}
    window = sql.SQL("occurred_at >= {since} AND occurred_at < {until}").format(
        **{name: sql.Literal(moment) for name, moment in bounds.items()}
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
        cursor.execute(sql.SQL("LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE").format(rest=rest))
        for statement in STEPS:
            cursor.execute(
                sql.SQL(statement).format(
                    table=table,
                    rest=rest,
                    window=window,
                    check=sql.Identifier(f"{month.table}_month"),
                    since=sql.Literal(month.starts_at),
                    until=sql.Literal(month.after().starts_at),
                )
            )
