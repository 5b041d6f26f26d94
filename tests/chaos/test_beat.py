"""A real beat: it starts without the database, and stores the list of chores once there is one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django_celery_beat.models import PeriodicTask

from common import queue, redis
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
NO_DATABASE = "postgres://nobody@127.0.0.1:9/nothing"


@contextmanager
def beat(folder: Path, *, database: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Celery beat as deployments start it, with the broker of this test."""
    with (folder / "beat.log").open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--skip-checks", "-A", "config", "beat"),
                *("--pidfile", ""),
                *("--schedule", str(folder / "beat-schedule"), "--loglevel", "INFO"),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database,
                "LIVENESS_FILE": str(folder / "alive"),
                "STRIPE_SECRET_KEY": "",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def log_of(folder: Path) -> str:
    return (folder / "beat.log").read_text()[-4000:]


def sent_messages() -> int:
    return int(redis.client().llen(queue.QUEUE))


@pytest.mark.django_db(transaction=True)
def test_beat_starts_and_sends_without_the_database(tmp_path: Path) -> None:
    redis.client().flushdb()
    with beat(tmp_path, database=NO_DATABASE) as process:
        wait_until(lambda: sent_messages() > 5, lambda: log_of(tmp_path))
        assert process.poll() is None
        assert (tmp_path / "alive").exists()
        assert "stored_schedule_unknown" in log_of(tmp_path)
    assert not PeriodicTask.objects.exists()
    redis.client().flushdb()


@pytest.mark.django_db(transaction=True)
def test_beat_stores_the_list_and_ends_with_the_times(tmp_path: Path) -> None:
    """Ended with SIGTERM, it stores when it has sent what; a second one begins from there."""
    redis.client().flushdb()
    at = connection.settings_dict
    url = f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    with beat(tmp_path, database=url) as process:
        wait_until(
            lambda: PeriodicTask.objects.count() == len(settings.CELERY_BEAT_SCHEDULE),
            lambda: log_of(tmp_path),
        )
        wait_until(lambda: sent_messages() > 5, lambda: log_of(tmp_path))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert PeriodicTask.objects.get(task="config.heartbeat").enabled
    assert PeriodicTask.objects.filter(total_run_count__gt=0).exists(), log_of(tmp_path)
    redis.client().flushdb()
