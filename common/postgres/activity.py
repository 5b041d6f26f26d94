"""What PostgreSQL's server says of its connections."""

from dataclasses import dataclass

from django.db import connection

_ACTIVITY = """
SELECT coalesce(state, 'other'), count(*),
    coalesce(extract(epoch FROM max(statement_timestamp() - xact_start)), 0)::float8,
    current_setting('max_connections')::integer
FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class DatabaseActivity:
    """Connections to our database by state, the age of the oldest open transaction in seconds, and
    how many connections the server allows."""

    connections: dict[str, int]
    transaction_age: float
    limit: int


def read() -> DatabaseActivity:
    """The activity now, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_ACTIVITY)
        rows = cursor.fetchall()
    return DatabaseActivity(
        connections={state: count for state, count, _, _ in rows},
        transaction_age=max(0.0, *(age for _, _, age, _ in rows)),
        limit=rows[0][3],
    )
