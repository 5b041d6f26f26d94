"""Behind PgBouncer in transaction mode, with the configuration in deploy/pgbouncer."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from config.env import SESSION_SETTINGS
from devtools.embedded.place import can_reach
from tests import services
from tests.pgbouncer import SESSIONS, pooler
from tests.waiting import wait_until

pytestmark = pytest.mark.pgbouncer
CORE = (
    "tests/common/test_locks.py",
    "tests/common/test_prepared_queries.py",
    "tests/projects/customers",
    "tests/events/log/test_sequencer.py",
    "tests/usage/records/test_recording.py",
    "tests/billing/sync/test_sync.py",
)
"""Locks, statements with parameters, retried writes, COPY, partitions, leases and fences."""
OWN = ("DATABASE_URL", "REDIS_URL", "TEST_TEMPLATE", "PYTEST_XDIST_WORKER")


@pytest.fixture
def pooled_url() -> Iterator[str]:
    home = services.new_home()
    assert can_reach(home)
    with pooler(home, database_url=os.environ["DATABASE_URL"]) as url:
        yield url


def test_every_session_has_the_settings_of_our_connections(pooled_url: str) -> None:
    """The pooler makes them: what a client sets would be of the session that it had just then."""
    select = "SELECT setting FROM pg_settings WHERE name = %s"
    with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as connection:
        for name, value in SESSION_SETTINGS.items():
            for _ in range(2 * SESSIONS):
                assert connection.execute(select, [name]).fetchone() == (value,), name


def test_transactions_take_turns_in_several_sessions(pooled_url: str) -> None:
    """So that the tests behind it would notice what is left in a session."""
    pids = set()
    with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as connection:

        def has_changed() -> bool:
            """PgBouncer opens further sessions a little after the first."""
            pids.add(connection.execute("SELECT pg_backend_pid()").fetchone())
            return len(pids) == SESSIONS

        wait_until(has_changed)


def test_the_core_of_the_suite_passes_behind_it() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CORE],
        cwd=Path(settings.BASE_DIR),
        env={**environment, "DATABASE_POOLER": "transaction"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert " passed" in run.stdout


def test_migrations_want_the_database_itself() -> None:
    run = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=Path(settings.BASE_DIR),
        env={**os.environ, "DATABASE_POOLER": "transaction"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "without DATABASE_POOLER" in run.stderr
