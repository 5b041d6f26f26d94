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
        usual = {name: self._bound(connection, name, "0") for name in PATIENT}
        try:
            super().handle(*args, **options)
        finally:
            for name, value in usual.items():
                self._bound(connection, name, value)

    def _bound(self, connection: Any, name: str, value: str) -> str:
        """Set it for the session; what it was before."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting(%s)", [name])
            (before,) = cursor.fetchone()
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
        return str(before)
