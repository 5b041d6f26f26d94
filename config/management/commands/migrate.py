"""``manage.py migrate``: Django's, with time for a large table and a slow machine.

Refuses a database that was made by the migrations before 0001_initial was written anew.
"""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections

PATIENT = ("statement_timeout", "idle_in_transaction_session_timeout")
"""Bounds of requests: an index of millions of rows takes longer, and so does Django between two
statements. Waits for locks stay bounded, since everybody else queues behind a migration that waits.
"""

IS_OLDER = """
SELECT EXISTS (
    SELECT FROM pg_class WHERE oid = to_regclass('events_outboxevent') AND relkind = 'r'
)
"""
"""An outbox without partitions: the migrations of today never make one."""

OLDER = """\
This database was made by an older version of Tollgate and cannot be updated: its migrations were
replaced by one 0001_initial per app (docs/decisions/0028-one-initial-migration-per-app.md).
Nothing in it has been changed. To begin with an empty one:
  make up      run `make clean`, which deletes the data in var/ for good, then `make up` again
  elsewhere    create an empty database and name it in DATABASE_URL
To go on with the old data, check out the version that made it."""


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        if self._is_older(connection):
            raise CommandError(OLDER)
        usual = {name: self._bound(connection, name, "0") for name in PATIENT}
        try:
            super().handle(*args, **options)
        finally:
            for name, value in usual.items():
                self._bound(connection, name, value)

    def _is_older(self, connection: Any) -> bool:
        """Whether the migrations before 0001_initial was written anew have made the database."""
        with connection.cursor() as cursor:
            cursor.execute(IS_OLDER)
            (is_older,) = cursor.fetchone()
        return bool(is_older)

    def _bound(self, connection: Any, name: str, value: str) -> str:
        """Set it for the session; what it was before."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting(%s)", [name])
            (before,) = cursor.fetchone()
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
        return str(before)
