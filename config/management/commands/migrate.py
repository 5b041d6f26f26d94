"""``manage.py migrate``: Django's, with time for a large table and a slow machine."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

PATIENT = ("statement_timeout", "idle_in_transaction_session_timeout")
"""Bounds of requests: an index of millions of rows takes longer, and so does Django between two
statements. Waits for locks stay bounded, since everybody else queues behind a migration that waits.
"""


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        self._run(connection, "SET {} = 0")
        try:
            super().handle(*args, **options)
        finally:
            self._run(connection, "RESET {}")

    def _run(self, connection: Any, statement: str) -> None:
        with connection.cursor() as cursor:
            for name in PATIENT:
                cursor.execute(statement.format(name))
