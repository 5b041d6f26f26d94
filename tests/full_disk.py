"""Make PostgreSQL refuse writes to a table as it does when its disk is full."""

from django.db import connection
from psycopg import sql

FUNCTION = """
CREATE FUNCTION refuse_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full';
END
$$
"""
TRIGGER = sql.SQL(
    "CREATE TRIGGER refuse_rows BEFORE INSERT OR UPDATE ON {} EXECUTE FUNCTION refuse_rows()"
)


def refuse_rows(table: str) -> None:
    """From now on, until the test's transaction ends, every write to the table fails with an
    OperationalError."""
    with connection.cursor() as cursor:
        cursor.execute(FUNCTION)
        cursor.execute(TRIGGER.format(sql.Identifier(table)))
