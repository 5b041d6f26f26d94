"""Migrations may take longer than requests."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import pre_migrate

BOUNDS = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")


def bounds() -> list[str]:
    found = []
    with connection.cursor() as cursor:
        for name in BOUNDS:
            cursor.execute("SELECT current_setting(%s)", [name])
            found += cursor.fetchone()
    return found


@pytest.mark.django_db
def test_migrations_wait_for_nothing_but_locks() -> None:
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
