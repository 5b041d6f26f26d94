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
from tests.waiting import wait_until

PROCESSES = 3
OUTDATED = ("billing", "0013_sync_lanes")
"""The migration after it creates an index concurrently, for which the snapshots of other processes
have to end."""


@pytest.fixture
def outdated_database(tmp_path: Path) -> Iterator[str]:
    """The URL of a database that lacks the newest migrations: without a migrated template to copy,
    it is migrated to there."""
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    name = f"race_{os.getpid()}"
    template = os.environ.get("TEST_TEMPLATE", "template0")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(
            SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template))
        )
        try:
            log = tmp_path / "outdated.log"
            assert start(f"{server}/{name}", log, *OUTDATED).wait() == 0, log.read_text()
            yield f"{server}/{name}"
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def start(url: str, log: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "--no-color", "--skip-checks", *arguments],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


def applied_migrations(database: psycopg.Connection) -> int:
    row = database.execute("SELECT count(*) FROM django_migrations").fetchone()
    assert row is not None
    return int(row[0])


def waiting_processes(database: psycopg.Connection) -> int:
    """How many have asked for the lock and not got it."""
    row = database.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND query LIKE 'SELECT pg_try_advisory_lock(%'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_replicas_that_start_together_migrate_once(outdated_database: str, tmp_path: Path) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(PROCESSES)]
    with psycopg.connect(outdated_database, autocommit=True) as database:
        before = applied_migrations(database)
        database.execute("SELECT pg_advisory_lock(%s)", [LOCK_ID])
        replicas = [start(outdated_database, log) for log in logs]
        wait_until(lambda: waiting_processes(database) == PROCESSES, "all processes")
        assert applied_migrations(database) == before
        database.execute("SELECT pg_advisory_unlock(%s)", [LOCK_ID])
        codes = [replica.wait() for replica in replicas]
        texts = [log.read_text() for log in logs]
        assert codes == [0] * PROCESSES, "\n".join(texts)
        applied = [text.count("Applying ") for text in texts]
        assert sorted(applied)[:-1] == [0] * (PROCESSES - 1)
        assert max(applied) > 0
        assert sum("No migrations to apply." in text for text in texts) == PROCESSES - 1
        assert applied_migrations(database) == before + max(applied)


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
