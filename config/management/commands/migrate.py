"""``manage.py migrate``: Django's command with longer timeouts, for large tables and slow machines.

Any number of processes may run it at once: one migrates, the others wait for it and then find
nothing to do. Refuses a database that was created before 0001_initial was rewritten.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser
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

BEHIND_POOLER = """\
Migrations need a session of their own, for their lock and their settings. Run this command with the
DATABASE_URL of PostgreSQL itself, and without DATABASE_POOLER (docs/scale.md)."""

LOCK_ID = 0x746F6C6C67617465
"""The advisory lock of the process that migrates: "tollgate" in ASCII. PostgreSQL releases it when
the connection ends, so a killed process leaves nothing behind."""
LOOK_SECONDS = 0.5

STILL_LOCKED = """\
Another process has been migrating this database for {seconds:g} seconds. This one has changed
nothing. Run it again, or allow it to wait for longer: --lock-seconds."""


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-seconds",
            type=float,
            default=600.0,
            help="How long to wait for another process that migrates (default: 600).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        if not connection.keeps_session:  # type: ignore[attr-defined]
            if not options["run_syncdb"]:  # Django's test runner, which migrates nothing with it
                raise CommandError(BEHIND_POOLER)
            super().handle(*args, **options)
            return
        with self._locked(connection, options["lock_seconds"]):
            if self._is_older(connection):
                raise CommandError(OLDER)
            earlier_values = {name: self._set_setting(connection, name, "0") for name in TIMEOUTS}
            try:
                super().handle(*args, **options)
            finally:
                for name, value in earlier_values.items():
                    self._set_setting(connection, name, value)

    @contextmanager
    def _locked(self, connection: Any, seconds: float) -> Iterator[None]:
        """Hold the lock for as long as the block; raise CommandError if it is not free in time."""
        deadline = time.monotonic() + seconds
        while not self._call(connection, "SELECT pg_try_advisory_lock(%s)"):
            # A statement that waits for the lock would keep a snapshot, for whose end the other
            # process waits when it creates an index concurrently.
            if time.monotonic() >= deadline:
                raise CommandError(STILL_LOCKED.format(seconds=seconds))
            time.sleep(LOOK_SECONDS)
        try:
            yield
        finally:
            self._call(connection, "SELECT pg_advisory_unlock(%s)")

    def _call(self, connection: Any, statement: str) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(statement, [LOCK_ID])
            (result,) = cursor.fetchone()
        return bool(result)

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
