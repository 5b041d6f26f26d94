"""Wake-ups are sent after the commit, coalesced, and cheap when the broker is frozen."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from django.db import transaction
from pytest_django import Settings

from common import queue, redis
from common.redis import Breaker
from config.celery import app as celery_app
from tests.waiting import SilentServer


@pytest.fixture(autouse=True)
def _quiet_bells() -> Iterator[None]:
    queue._sent_at.clear()
    queue._breaker.close()
    redis.breaker.close()
    for key in redis.client().scan_iter(queue.key_of("*")):
        redis.client().delete(key)
    yield
    queue._sent_at.clear()
    queue._breaker.close()


def waiting() -> int:
    """Tasks in the broker's queue."""
    length: Any = redis.client().llen("celery")
    return int(length)


def messages() -> list[dict[str, Any]]:
    """What waits in the broker's queue, the newest first."""
    messages_read: Any = redis.client().lrange("celery", 0, -1)
    return [json.loads(each) for each in messages_read]


@pytest.fixture
def empty_queue() -> None:
    redis.client().delete("celery")


def ring_in_another_process(task: str) -> None:
    """As from a process that has sent nothing lately."""
    queue._sent_at.clear()
    queue.enqueue(task)


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_is_sent_after_the_commit(empty_queue: None) -> None:
    with transaction.atomic():
        queue.enqueue("billing.sync")
        assert waiting() == 0
    assert waiting() == 1


@pytest.mark.django_db(transaction=True)
def test_a_rollback_sends_no_wake_up(empty_queue: None) -> None:
    with transaction.atomic():
        queue.enqueue("billing.sync")
        transaction.set_rollback(True)
    assert waiting() == 0


@pytest.mark.django_db(transaction=True)
def test_a_hundred_wake_ups_at_once_are_one_message(empty_queue: None) -> None:
    for _ in range(100):
        queue.enqueue("billing.sync")
    queue.enqueue("webhooks.catch_up")
    assert waiting() == 2


@pytest.mark.django_db(transaction=True)
def test_unread_wake_ups_of_many_processes_are_one_message(empty_queue: None) -> None:
    """A frozen worker finds one message when it wakes, and not one for each that was sent."""
    for _ in range(100):
        ring_in_another_process("billing.sync")
    assert waiting() == 1


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_is_dropped_once_pollers_have_looked(empty_queue: None) -> None:
    before = datetime.now(UTC)
    queue.enqueue("billing.sync")
    (message,) = messages()
    expires = datetime.fromisoformat(message["headers"]["expires"])
    assert before < expires <= datetime.now(UTC) + timedelta(seconds=queue.LIFETIME_SECONDS)
    assert 0 < redis.client().pttl(queue.key_of("billing.sync")) <= queue.LIFETIME_SECONDS * 1000


@pytest.mark.django_db(transaction=True)
def test_a_task_that_has_begun_can_be_woken_again(empty_queue: None) -> None:
    """What was committed after a worker has begun to look may be missed by that look."""
    queue.enqueue("billing.sync")
    celery_app.loader.import_default_modules()
    celery_app.tasks["billing.sync"].before_start("id", (), {})
    ring_in_another_process("billing.sync")
    assert waiting() == 2


@pytest.mark.django_db(transaction=True)
def test_no_wake_up_is_added_to_an_unread_one(empty_queue: None) -> None:
    filler = ["{}"] * (queue.MAX_QUEUE_LENGTH + 1)
    redis.client().rpush("celery", *filler)
    queue.enqueue("billing.sync")
    assert waiting() == len(filler)
    redis.client().delete("celery", queue.key_of("billing.sync"))
    ring_in_another_process("billing.sync")
    assert waiting() == 1


@pytest.fixture
def frozen_broker(settings: Settings, silent_server: SilentServer) -> Iterator[SilentServer]:
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{silent_server.port}/0"
    with Celery("frozen", set_as_current=False) as frozen:
        frozen.config_from_object("django.conf:settings", namespace="CELERY")
        frozen.set_current()
        yield silent_server
        celery_app.set_current()


@pytest.mark.django_db(transaction=True)
def test_a_frozen_broker_is_asked_once_and_fails_nothing(
    frozen_broker: SilentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.queue._breaker", Breaker(open_for=3600.0))
    queue.enqueue("billing.sync")
    connections = frozen_broker.connections
    for number in range(50):
        queue.enqueue(f"billing.sync.{number}")
    assert frozen_broker.connections == connections
