"""Celery as a doorbell: a wake-up, never the record of work.

``enqueue`` sends after commit and swallows every error: workers poll the database each second, so
a lost wake-up costs at most that second. For the same reason a wake-up is worth nothing once it is
a few seconds old. So that a worker that was frozen finds no backlog when it goes on:

* a wake-up expires;
* at most one of each name waits to be taken: a second one would find the same work;
* none is sent while the queue is so long that evidently nobody takes anything.
"""

import os
import threading
import time

import structlog
from celery import current_app
from django.db import transaction

from common.redis import Breaker, exchange

log = structlog.get_logger(__name__)

WINDOW = 0.05
"""Seconds in which a process sends one wake-up of a name."""
LIFETIME_SECONDS = 5
"""A wake-up that nobody took for so long is dropped: pollers have looked several times since."""
MOST_WAITING = 100
"""Messages in the queue, from which on nothing is added that a poller does as well."""
QUEUE = "celery"
"""The broker's list, by Celery's default name."""

_breaker = Breaker()
_lock = threading.Lock()
_rung: dict[str, float] = {}


def enqueue(task: str) -> None:
    """Wake a worker for ``task`` (by name) once the current transaction has committed."""
    transaction.on_commit(lambda: _ring(task), robust=True)


def taken(task: str) -> None:
    """A worker begins with ``task``: from now on it can be woken again."""
    exchange(("DEL", key_of(task)))


def is_backed_up() -> bool:
    """Whether so much waits in the queue that nobody seems to take anything."""
    replies = exchange(("LLEN", QUEUE))
    return bool(replies) and _is_long(replies[0])


def key_of(task: str) -> str:
    """Exists while a wake-up for ``task`` waits."""
    return f"tollgate:wake-up:{task}"


def _ring(task: str) -> None:
    if _breaker.is_open or not _may_ring(task) or not _is_first(task):
        return
    try:
        current_app.send_task(task, retry=False, ignore_result=True, expires=LIFETIME_SECONDS)
    except Exception as error:  # noqa: BLE001  # a dead broker must never fail the request
        _breaker.trip()
        log.warning("doorbell_failed", task=task, error=type(error).__name__)


def _may_ring(task: str) -> bool:
    now = time.monotonic()
    with _lock:
        if now - _rung.get(task, 0.0) < WINDOW:
            return False
        _rung[task] = now
        return True


def _is_first(task: str) -> bool:
    """Whether no wake-up of this name waits already, and the queue moves. False without Redis."""
    milliseconds = LIFETIME_SECONDS * 1000
    replies = exchange(("SET", key_of(task), "1", "NX", "PX", milliseconds), ("LLEN", QUEUE))
    return bool(replies) and replies[0] == b"OK" and not _is_long(replies[1])


def _is_long(length: object) -> bool:
    return not isinstance(length, int) or length > MOST_WAITING


def _after_fork() -> None:
    """A thread of the parent may have held the lock, and is not here to release it."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
