"""Parallel workers on real connections end in agreement with Stripe.

The histories take turns on one connection. Here workers drain at the same time while the objects
change, marks come in twice, and leases are cut short.
"""

import logging
import random
import threading
from collections.abc import Generator

import pytest
from django.db import connections
from django.utils import timezone

from billing.models import SyncObject
from billing.models.sync_object import ObjectKind
from billing.stripe.client import use_transport
from billing.sync import service as sync
from tests.chaos.history import History
from tests.chaos.history_checks import check_mirror, check_outbox, check_queue
from tests.chaos.workers import end_waits, expire_leases

WORKERS = 4
CHANGES = 150


@pytest.fixture(autouse=True)
def _quietly() -> Generator[None]:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)
    use_transport(None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(3))
def test_parallel_workers_end_in_agreement_with_stripe(seed: int) -> None:
    history = History(seed)
    history.begin(
        [ObjectKind.PRODUCT, ObjectKind.PRODUCT, ObjectKind.CUSTOMER, ObjectKind.SUBSCRIPTION]
    )
    stop, errors = threading.Event(), list[BaseException]()
    threads = [threading.Thread(target=_work, args=(stop, errors)) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    try:
        _happen(history, random.Random(seed))
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert errors == []
    while True:
        end_waits(account=history.account)
        if not sync.drain(at=timezone.now()):
            break
    for thing in history.things:
        history.never_backwards(thing)
    check_mirror(history)
    check_queue(history)
    check_outbox(history)
    assert SyncObject.objects.filter(epoch__gt=5).exists()


def _happen(history: History, chance: random.Random) -> None:
    for _ in range(CHANGES):
        thing = chance.choice([each for each in history.things if not each.over])
        if thing.kind is not ObjectKind.PAYMENT_INTENT or thing.number < 10:
            history.touch(thing)
        for _ in range(chance.randint(1, 2)):
            sync.request_sync(
                account_id=history.account.pk, kind=thing.kind, stripe_id=thing.stripe_id
            )
        if chance.random() < 0.2:
            expire_leases(account=history.account)
        if chance.random() < 0.3:
            history.never_backwards(thing)


def _work(stop: threading.Event, errors: list[BaseException]) -> None:
    try:
        while not stop.is_set():
            sync.drain(at=timezone.now())
    except BaseException as error:  # noqa: BLE001  # handed to the test
        errors.append(error)
    finally:
        connections.close_all()
