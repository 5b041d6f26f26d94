"""A worker whose broker is dead still runs due tasks within seconds."""

import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from billing.accounts import service as stripe_accounts
from billing.models import SyncObject
from billing.sync import service as sync
from common import heartbeats
from config.poller import Poll, Poller
from config.schedule import POLLED
from projects.models import Project
from tests.chaos.celery_worker import is_given_back, overdue_reservation, until, worker

DEAD = "redis://127.0.0.1:9/0"


def test_polling_survives_errors_and_stops_on_request() -> None:
    """An error ends the run; the next one comes, and only complete runs are noted."""
    runs = 0
    stop = threading.Event()
    noted: list[str] = []

    def breaks_at_first() -> None:
        nonlocal runs
        runs += 1
        if runs < 5:
            raise OSError("the database is away")
        stop.set()

    thread = Poll("billing.sync", breaks_at_first, 0.001, stop, noted.append)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert (runs, noted) == (5, ["billing.sync"])


def test_an_outage_is_logged_once_and_so_is_its_end() -> None:
    runs = 0
    stop = threading.Event()

    def breaks_for_a_while() -> None:
        nonlocal runs
        runs += 1
        if runs < 50:
            raise OSError("the database is away")
        stop.set()

    with capture_logs() as lines:
        thread = Poll("billing.sync", breaks_for_a_while, 0.0001, stop)
        thread.start()
        thread.join(10)
    assert [(line["event"], line["chore"]) for line in lines] == [
        ("poll_failed", "billing.sync"),
        ("poll_recovered", "billing.sync"),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_slow_chore_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """One hangs for as long as the worker lives; what people wait for goes on beside it."""
    hangs, released, others = threading.Event(), threading.Event(), Counter[str]()
    everything_ran = threading.Event()

    class Tasks(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return SimpleNamespace(run=lambda: self._run(name))

        def _run(self, name: str) -> None:
            if name == "billing.sync":
                hangs.set()
                released.wait(60)
                return
            others[name] += 1
            if len(others) == len(POLLED) - 1 and min(others.values()) >= 2:
                everything_ran.set()

    worker = SimpleNamespace(app=SimpleNamespace(tasks=Tasks()))
    monkeypatch.setattr("config.poller.POLLED", dict.fromkeys(POLLED, 0.01))
    poller = Poller(worker)
    poller.start(worker)
    try:
        assert hangs.wait(10)
        assert everything_ran.wait(10)
        assert "billing.sync" not in others
    finally:
        released.set()
        poller.stop(worker)
    assert not any(thread.is_alive() for thread in poller._threads)


def test_every_task_that_people_wait_for_is_polled() -> None:
    assert {
        "billing.sync",
        "billing.finish_intents",
        "billing.expire_payments",
        "billing.roll_out",
        "billing.forward_usage",
        "entitlements.hold_limits",
        "entitlements.expire_reservations",
        "entitlements.expire_credits",
        "entitlements.expire_grants",
        "entitlements.tell_due",
    } <= set(POLLED)


@pytest.mark.django_db(transaction=True)
def test_a_worker_without_its_broker_runs_due_tasks(project: Project, tmp_path: Path) -> None:
    """No secret key is set for the worker, so what it leaves behind is why it could not read."""
    account = stripe_accounts.platform_default(livemode=False)
    sync_id, _ = sync.request_sync(account_id=account.pk, kind="product", stripe_id="prod_1")
    due = overdue_reservation(project, "api")
    log = tmp_path / "worker.log"
    with worker(broker=DEAD, log=log) as process:
        read = SyncObject.objects.filter(pk=sync_id).exclude(last_error="")
        until(read.exists, process=process, log=log)
        until(lambda: is_given_back(due), process=process, log=log)
        until(lambda: set(POLLED) <= set(heartbeats.last_beats()), process=process, log=log)
    sync_object = SyncObject.objects.get(pk=sync_id)
    assert sync_object.last_error.startswith("StripeNotConfigured: No secret key")
    assert (sync_object.epoch > 0, sync_object.parked_at, sync_object.applied) == (True, None, 0)
