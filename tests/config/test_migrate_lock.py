"""Any number of processes may migrate one database at once: one of them does."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg.sql import SQL, Identifier

from config.management.commands.migrate import LOCK_ID
from tests.services import ROOT

PROCESSES = 3


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The URL of a database without any table."""
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    name = f"race_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
        try:
            yield f"{server}/{name}"
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def start(url: str, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "--no-color"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


def test_replicas_that_start_together_migrate_once(empty_database: str, tmp_path: Path) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(PROCESSES)]
    replicas = [start(empty_database, log) for log in logs]
    codes = [replica.wait() for replica in replicas]
    texts = [log.read_text() for log in logs]
    assert codes == [0] * PROCESSES, "\n".join(texts)
    applied = [text.count("Applying ") for text in texts]
    assert sorted(applied)[:-1] == [0] * (PROCESSES - 1)
    assert sum("No migrations to apply." in text for text in texts) == PROCESSES - 1
    with psycopg.connect(empty_database) as database:
        row = database.execute("SELECT count(*) FROM django_migrations").fetchone()
    assert row == (max(applied),)


@pytest.mark.django_db
def test_a_lock_that_is_not_freed_in_time_is_explained() -> None:
    """Also by another database user's session: the lock belongs to the database."""
    at = connection.settings_dict
    url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{at['NAME']}"
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK_ID])
        with pytest.raises(CommandError, match=r"(?s)Another process.*--lock-seconds"):
            call_command("migrate", verbosity=0, lock_seconds=0)
    call_command("migrate", verbosity=0, lock_seconds=60)  # the other one has ended without a word


@pytest.mark.django_db
def test_the_lock_is_free_after_the_command() -> None:
    call_command("migrate", verbosity=0)
    at = connection.settings_dict
    url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{at['NAME']}"
    with psycopg.connect(url, autocommit=True) as other:
        assert other.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_ID]).fetchone() == (True,)
