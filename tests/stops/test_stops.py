"""A process that is told to stop finishes what it has begun, and ends by itself.

The work is held up by a lock on its table: the signal arrives in the middle of it.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery

from common.conf import EgressSettings
from devtools.embedded.valkey import Valkey
from devtools.stack.readiness import takes_tasks
from events.log import sequencer
from projects.models import IdempotencyKey, Project
from tests.chaos.celery_worker import is_given_back, overdue_reservation, until, worker
from tests.delivery.sender.receivers import OK, receiving
from tests.delivery.webhooks.dispatching import endpoint_at, states
from tests.events.log.recording import record
from tests.factories.projects import key_of
from tests.server.web_server import request, web_server
from tests.services import ROOT
from tests.stops.blocking import database_url, held, wait_for_waiters
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
DEAD = "redis://127.0.0.1:9/0"


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path, durable=False, password=secrets.token_hex(8))
    server.start()
    yield server
    server.stop()


def test_the_web_server_answers_the_requests_that_it_has(project: Project, tmp_path: Path) -> None:
    key = key_of(project)
    headers: dict[str, Any] = {"Authorization": f"Bearer {key}"}
    with web_server(tmp_path / "web.log") as port, ThreadPoolExecutor(4) as callers:
        (server,) = (
            each
            for each in psutil.Process().children()
            if {"config.serve", str(port)} <= set(each.cmdline())
        )
        assert request(port, "GET", "/api/v1/features", **headers).status == 200
        with held("entitlements_feature"):
            answers = [
                callers.submit(request, port, "GET", "/api/v1/features", seconds=60, **headers)
                for _ in range(4)
            ]
            wait_for_waiters(4)
            server.send_signal(signal.SIGTERM)
            wait_until(lambda: not _listens(port))
        assert [one.result().status for one in answers] == [200] * 4
        wait_until(lambda: server.status() == psutil.STATUS_ZOMBIE)  # its parent reaps it later


def _listens(port: int) -> bool:
    try:
        return request(port, "GET", "/live", seconds=1).status == 200
    except (OSError, IndexError, ValueError):
        return False


def test_a_worker_finishes_the_chore_that_it_polls(project: Project, tmp_path: Path) -> None:
    """Its broker is away, so nothing but a poller has begun it."""
    due = overdue_reservation(project, "api")
    log = tmp_path / "worker.log"
    with held("entitlements_reservation") as holder, worker(broker=DEAD, log=log) as process:
        wait_for_waiters()
        process.send_signal(signal.SIGTERM)
        until(lambda: "Warm shutdown" in log.read_text(), process=process, log=log)
        holder.rollback()
        assert process.wait(PATIENCE) == 0, log.read_text()
    assert is_given_back(due)


def test_a_worker_finishes_its_task_and_loses_no_message(
    project: Project, valkey: Valkey, tmp_path: Path
) -> None:
    """A chore that only messages start: it is running when the signal comes."""
    log = tmp_path / "worker.log"
    old = IdempotencyKey.objects.for_project(project).create(
        key="old", fingerprint="x", created_at="2020-01-01T00:00:00Z"
    )
    with worker(broker=valkey.url(), log=log) as process:
        until(lambda: takes_tasks(valkey.url()), process=process, log=log)
        with (
            held("projects_idempotencykey") as holder,
            Celery("sender", broker=valkey.url(), set_as_current=False) as sender,
        ):
            sender.send_task("projects.purge_idempotency_keys")
            wait_for_waiters()
            process.send_signal(signal.SIGTERM)
            until(lambda: "Warm shutdown" in log.read_text(), process=process, log=log)
            holder.rollback()
            assert process.wait(PATIENCE) == 0, log.read_text()
    assert not IdempotencyKey.objects.for_project(project).filter(pk=old.pk).exists()
    client: Any = redis.Redis.from_url(valkey.url())
    assert client.hlen("unacked") == 0


@contextmanager
def program(*command: str, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process on this test's database, killed at the end of the block at the latest."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_sender_stores_the_answer_that_it_waits_for(project: Project, settings: Any) -> None:
    """It is asked to stop while the receiver thinks; nothing is sent a second time."""
    settings.EGRESS = EgressSettings(loopback=True)
    answer = threading.Event()

    def think(connection: socket.socket) -> None:
        answer.wait(PATIENCE)
        connection.sendall(OK)

    with receiving(think) as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        with program("manage.py", "deliver", EGRESS_LOOPBACK="true") as process:
            wait_until(lambda: len(receiver.requests) == 1)
            process.send_signal(signal.SIGTERM)
            answer.set()
            assert process.wait(PATIENCE) == 0
        assert states(row) == [("done", 1)]
        assert len(receiver.requests) == 1
    row.refresh_from_db()
    assert row.leased_until is None
