import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from django.db import transaction
from pytest_django import Settings

from common import queue, redis
from config.celery import app as ours


@pytest.fixture(autouse=True)
def _quiet_bells() -> Iterator[None]:
    queue._rung.clear()
    queue._breaker.close()
    redis.breaker.close()
    yield
    queue._rung.clear()
    queue._breaker.close()


def waiting() -> int:
    """Tasks in the broker's queue."""
    length: Any = redis.client().llen("celery")
    return int(length)


@pytest.fixture
def empty_queue() -> None:
    redis.client().delete("celery")


@pytest.mark.django_db(transaction=True)
def test_the_bell_rings_after_the_commit(empty_queue: None) -> None:
    with transaction.atomic():
        queue.enqueue("billing.sync")
        assert waiting() == 0
    assert waiting() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_rings_no_bell(empty_queue: None) -> None:
    with transaction.atomic():
        queue.enqueue("billing.sync")
        transaction.set_rollback(True)
    assert waiting() == 0


@pytest.mark.django_db(transaction=True)
def test_a_hundred_rings_at_once_are_one(empty_queue: None) -> None:
    for _ in range(100):
        queue.enqueue("billing.sync")
    queue.enqueue("webhooks.catch_up")
    assert waiting() <= 3  # the window may end once or twice on a slow machine


@pytest.fixture
def frozen_broker(settings: Settings, silent_port: int) -> Iterator[None]:
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{silent_port}/0"
    with Celery("frozen", set_as_current=False) as frozen:
        frozen.config_from_object("django.conf:settings", namespace="CELERY")
        frozen.set_current()
        yield
        ours.set_current()


@pytest.mark.django_db(transaction=True)
def test_a_frozen_broker_costs_little_and_fails_nothing(frozen_broker: None) -> None:
    started = time.monotonic()
    queue.enqueue("billing.sync")
    assert time.monotonic() - started < 2

    started = time.monotonic()
    for number in range(50):
        queue.enqueue(f"billing.sync.{number}")
    assert time.monotonic() - started < 0.1
