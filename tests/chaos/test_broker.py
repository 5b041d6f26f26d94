"""A worker survives an outage of its broker and finds no backlog after a freeze."""

import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
from celery import Celery
from pytest_django import Settings

from common import queue, redis
from config.celery import app as celery_app
from devtools.embedded.valkey import Valkey
from devtools.stack.readiness import takes_tasks
from projects.models import Project
from tests.chaos.celery_worker import is_given_back, overdue_reservation, until, worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path, durable=False, password=secrets.token_hex(8))
    server.start()
    yield server
    server.stop()


def refuse_writes(valkey: Valkey) -> None:
    """As when the disk is full: what cannot be saved is not taken any more."""
    client: Any = redis_py.Redis.from_url(valkey.url())
    client.config_set("save", "3600 1")
    shutil.rmtree(valkey.data)
    client.bgsave()
    while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
        time.sleep(0.01)
    with pytest.raises(redis_py.ResponseError, match="MISCONF"):
        client.set("probe", "1")


def take_writes_again(valkey: Valkey) -> None:
    redis_py.Redis.from_url(valkey.url()).config_set("stop-writes-on-bgsave-error", "no")


def test_a_worker_survives_a_broker_that_refuses_writes(
    project: Project, valkey: Valkey, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    with worker(broker=valkey.url(), log=log) as process:
        until(lambda: takes_tasks(valkey.url()), process=process, log=log)
        refuse_writes(valkey)
        until(lambda: "MISCONF" in log.read_text(), process=process, log=log)
        due = overdue_reservation(project, "api")
        until(lambda: is_given_back(due), process=process, log=log)
        take_writes_again(valkey)
        until(lambda: takes_tasks(valkey.url()), process=process, log=log)


@pytest.fixture
def sent_to(valkey: Valkey, settings: Settings) -> Iterator[None]:
    """What this process sends goes to the worker's broker."""
    settings.REDIS_URL = settings.CELERY_BROKER_URL = valkey.url()
    redis.breaker.close()
    with Celery("sender", set_as_current=False) as sender:
        sender.config_from_object("django.conf:settings", namespace="CELERY")
        sender.set_current()
        yield
        celery_app.set_current()


@pytest.mark.usefixtures("sent_to")
def test_a_thawed_worker_finds_no_backlog(project: Project, valkey: Valkey, tmp_path: Path) -> None:
    """Many processes wake it many times; what is due meanwhile comes back at once."""
    log = tmp_path / "worker.log"
    with worker(broker=valkey.url(), log=log) as process:
        until(lambda: takes_tasks(valkey.url()), process=process, log=log)
        process.send_signal(signal.SIGSTOP)
        due = overdue_reservation(project, "api")
        for _ in range(300):
            queue._sent_at.clear()
            queue.enqueue("entitlements.hold_limits")
        length: Any = redis.client().llen(queue.QUEUE)
        process.send_signal(signal.SIGCONT)
        until(lambda: is_given_back(due), process=process, log=log)
    assert length <= 2
    assert log.read_text().count("hold_limits") <= 6
