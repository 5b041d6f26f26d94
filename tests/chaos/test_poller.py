"""A worker whose broker is dead still does what is due, within seconds."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from billing.models import SyncObject
from billing.services import stripe_accounts, sync
from config.poller import poll

ROOT = Path(__file__).resolve().parents[2]
DEAD = "redis://127.0.0.1:9/0"
PATIENCE = 60.0


def test_polling_survives_errors_and_stops_when_told() -> None:
    """What breaks in one chore keeps nobody from the next."""
    turns = done = 0
    stop = threading.Event()

    def breaks() -> None:
        nonlocal turns
        turns += 1
        raise OSError("the database is away")

    def works() -> None:
        nonlocal done
        done += 1
        if done == 5:
            stop.set()

    thread = threading.Thread(target=poll, args=((breaks, works), stop, 0.001))
    thread.start()
    thread.join(10)
    assert (turns, done) == (5, 5)
    assert not thread.is_alive()


@pytest.mark.django_db(transaction=True)
def test_a_worker_without_its_broker_drains() -> None:
    """No secret key is set for the worker, so what it leaves behind is why it could not read."""
    account = stripe_accounts.platform_default(livemode=False)
    sync_id, _ = sync.mark(account_id=account.pk, kind="product", stripe_id="prod_1")
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "config", "worker", "--concurrency=1"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": _url(), "REDIS_URL": DEAD, "STRIPE_SECRET_KEY": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        give_up = time.monotonic() + PATIENCE
        while not SyncObject.objects.get(pk=sync_id).last_error:
            assert time.monotonic() < give_up, "nobody looked"
            assert worker.poll() is None, "the worker ended"
            time.sleep(0.1)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(10)
    found = SyncObject.objects.get(pk=sync_id)
    assert found.last_error.startswith("StripeCredentialsRefused: No secret key")
    assert (found.epoch > 0, found.parked_at, found.applied) == (True, None, 0)


def _url() -> str:
    """The database of this very test."""
    at = connection.settings_dict
    return f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
