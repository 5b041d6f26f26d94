"""Migrations have a longer timeout than requests and refuse databases of older migrations."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.signals import pre_migrate

ROOT = Path(__file__).resolve().parents[2]
BOUNDS = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")


def bounds() -> list[str]:
    values = []
    with connection.cursor() as cursor:
        for name in BOUNDS:
            cursor.execute("SELECT current_setting(%s)", [name])
            values += cursor.fetchone()
    return values


@pytest.mark.django_db
def test_migrations_time_out_on_locks_only() -> None:
    within: list[list[str]] = []

    def look(**_: Any) -> None:
        within.append(bounds())

    before = bounds()
    pre_migrate.connect(look)
    try:
        call_command("migrate", verbosity=0)
    finally:
        pre_migrate.disconnect(look)

    assert within[0] == ["0", "0", "5s"]
    assert bounds() == before


@pytest.mark.django_db
def test_a_database_of_the_older_migrations_is_refused_and_left_alone() -> None:
    """Its outbox has no partitions; names and content of its migrations are others."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE events_outboxevent; DELETE FROM django_migrations")
        cursor.execute("CREATE TABLE events_outboxevent (id varchar(30) PRIMARY KEY)")

    with pytest.raises(CommandError, match=r"(?s)make clean.*DATABASE_URL") as refused:
        call_command("migrate", verbosity=0)

    (page,) = re.findall(r"docs/decisions/[\w-]+\.md", str(refused.value))
    assert (ROOT / page).is_file()
    assert not MigrationRecorder(connection).applied_migrations()
