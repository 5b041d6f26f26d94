"""``manage.py migrate``: Django's command with longer timeouts, for large tables and slow machines.

Refuses a database that was created before 0001_initial was rewritten.
"""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections

TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout")
"""Limits that are lifted: an index on millions of rows takes longer, and so can Django between two
statements. Lock timeouts stay, because other transactions queue behind a waiting migration."""

IS_OLDER = """
SELECT EXISTS (
    SELECT FROM pg_class WHERE oid = to_regclass('events_outboxevent') AND relkind = 'r'
)
"""
"""An outbox without partitions: today's migrations never create one."""

OLDER = """\
This database was created by an older version of Tollgate and cannot be updated: its migrations were
replaced by one 0001_initial per app (docs/decisions/0028-one-initial-migration-per-app.md).
Nothing in it has been changed. To start with an empty one:
  make up      run `make clean`, which deletes the data in var/ for good, then `make up` again
  elsewhere    create an empty database and name it in DATABASE_URL
To keep using the old data, check out the version that created it."""


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        if self._is_older(connection):
            raise CommandError(OLDER)
        earlier_values = {name: self._set_setting(connection, name, "0") for name in TIMEOUTS}
        try:
            super().handle(*args, **options)
        finally:
            for name, value in earlier_values.items():
                self._set_setting(connection, name, value)

    def _is_older(self, connection: Any) -> bool:
        """Whether the database was created before 0001_initial was rewritten."""
        with connection.cursor() as cursor:
            cursor.execute(IS_OLDER)
            (is_older,) = cursor.fetchone()
        return bool(is_older)

    def _set_setting(self, connection: Any, name: str, value: str) -> str:
        """Set a setting for the session; return its earlier value."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting(%s)", [name])
            (earlier_value,) = cursor.fetchone()
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
        return str(earlier_value)
