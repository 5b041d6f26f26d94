"""What was acknowledged is there after PostgreSQL has crashed while requests share commits."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from devtools.embedded.programs import postgres_programs
from devtools.embedded.servers import Servers
from projects.models import Project
from tests.server.metered_project import key_with_limit
from tests.server.retrying_senders import consume, deliver, sending
from tests.server.web_server import url_of_test_database, web_server
from tests.services import new_home
from tests.waiting import wait_until

REQUESTS, CRASHES = 500, 2
EVENTS_SQL = """
SELECT event_id FROM webhooks_inboundevent AS event JOIN billing_syncobject AS sync
    ON sync.id = event.sync_id AND event.request_number BETWEEN sync.applied + 1 AND sync.requested
"""
USES_SQL = """
SELECT (SELECT count(*) FROM usage_recordkey), (SELECT count(*) FROM usage_record),
    (SELECT sum(used) FROM usage_counter), (SELECT sum(sum) FROM usage_total)
"""
SHARED_SQL = "SELECT count(DISTINCT xmin::text) < count(*) FROM {}"


@pytest.fixture
def durable() -> Iterator[Servers]:
    """Servers that lose nothing that is committed, unlike those of the other tests."""
    servers = Servers(new_home(), durable=True)
    servers.join()
    try:
        yield servers
    finally:
        servers.leave()
        shutil.rmtree(servers.home, ignore_errors=True)


def copy_test_database(servers: Servers) -> None:
    programs = postgres_programs(servers.home)
    dump = subprocess.run(
        [programs / "pg_dump", url_of_test_database()], check=True, capture_output=True
    )
    restore = [str(programs / "psql"), "-q", "--set=ON_ERROR_STOP=1", servers.postgres.url()]
    subprocess.run(restore, input=dump.stdout, check=True, capture_output=True)


def crash(servers: Servers) -> None:
    """What ``pg_ctl stop -m immediate`` does; then a start, which recovers."""
    with psycopg.connect(servers.postgres.url()) as connection:
        postmaster = psutil.Process(connection.info.backend_pid).parent()
        assert postmaster is not None
        os.kill(postmaster.pid, signal.SIGQUIT)
    wait_until(lambda: not servers.postgres.lives())
    servers.revive(servers.postgres)


def rows(servers: Servers, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(servers.postgres.url()) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("stripe")
def test_acknowledged_events_and_uses_survive_crashes_of_the_database(
    tmp_path: Path, project: Project, durable: Servers
) -> None:
    api_key = key_with_limit(project, limit=10 * REQUESTS)
    copy_test_database(durable)

    def send(number: int) -> None:
        if number % 2:
            deliver(port, f"evt_{number}")
        else:
            consume(port, api_key, f"use-{number}")

    with (
        web_server(tmp_path / "web.log", database_url=durable.postgres.url()) as port,
        sending(send, range(REQUESTS)) as acknowledged,
    ):
        for number in range(1, CRASHES + 1):
            wait_until(lambda: len(acknowledged) >= number * REQUESTS // (CRASHES + 2))  # noqa: B023
            crash(durable)
    events = sorted(event_id for (event_id,) in rows(durable, EVENTS_SQL))
    assert events == sorted(f"evt_{number}" for number in range(REQUESTS) if number % 2)
    assert rows(durable, USES_SQL) == [(REQUESTS // 2,) * 4]
    for table in ("webhooks_inboundevent", "usage_recordkey"):
        assert rows(durable, SHARED_SQL.format(table)) == [(True,)], f"{table}: no shared commit"
