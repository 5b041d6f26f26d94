"""Celery wakes workers up; it is never the record of work (docs/rules.md, R8).

``enqueue`` sends after the commit and ignores every error: workers poll the database each second,
so a lost wake-up costs at most that second. For the same reason a wake-up has no value after a few
seconds. A worker that was frozen must find no backlog, so:

* a wake-up expires;
* at most one wake-up of each task waits: a second one would find the same work;
* none is sent while the queue is so long that evidently no worker takes messages.
"""

import os
import threading
import time

import structlog
from celery import current_app

from common.after_commit import after_commit
from common.redis import Breaker, exchange

log = structlog.get_logger(__name__)

MIN_INTERVAL_SECONDS = 0.05
"""Shortest time between two wake-ups of one task by one process."""
LIFETIME_SECONDS = 5
"""A wake-up that no worker took in this time is dropped; pollers have checked several times by
then."""
MAX_QUEUE_LENGTH = 100
"""Messages in the broker's queue above which no wake-up is added."""
QUEUE = "celery"
"""The broker's list, by Celery's default name."""

_breaker = Breaker()
_lock = threading.Lock()
_sent_at: dict[str, float] = {}


def enqueue(task: str) -> None:
    """Wake a worker for ``task`` (by name) once the current transaction has committed."""
    after_commit(lambda: _send_wake_up(task))


def is_due(task: str) -> bool:
    """Whether :func:`enqueue` would send now as far as this process knows: it has not sent in the
    shortest time between two."""
    return time.monotonic() - _sent_at.get(task, 0.0) >= MIN_INTERVAL_SECONDS


def allow_wake_up(task: str) -> None:
    """Let ``task`` be woken again; a worker calls this when it begins the task."""
    exchange(("DEL", key_of(task)))


def is_backed_up() -> bool:
    """Whether the broker's queue is so long that evidently no worker takes messages."""
    replies = exchange(("LLEN", QUEUE))
    return bool(replies) and _is_long(replies[0])


def key_of(task: str) -> str:
    """The key that exists while a wake-up of ``task`` waits."""
    return f"tollgate:wake-up:{task}"


def _send_wake_up(task: str) -> None:
    if _breaker.is_open or not _is_interval_over(task) or not _is_needed(task):
        return
    try:
        current_app.send_task(task, retry=False, ignore_result=True, expires=LIFETIME_SECONDS)
    except Exception as error:  # noqa: BLE001  # a dead broker must never fail the request
        _breaker.trip()
        log.warning("wake_up_failed", task=task, error=type(error).__name__)


def _is_interval_over(task: str) -> bool:
    with _lock:
        if not is_due(task):
            return False
        _sent_at[task] = time.monotonic()
        return True


def _is_needed(task: str) -> bool:
    """Whether no wake-up for the task waits already and the queue is short. False without Redis."""
    milliseconds = LIFETIME_SECONDS * 1000
    replies = exchange(("SET", key_of(task), "1", "NX", "PX", milliseconds), ("LLEN", QUEUE))
    return bool(replies) and replies[0] == b"OK" and not _is_long(replies[1])


def _is_long(length: object) -> bool:
    return not isinstance(length, int) or length > MAX_QUEUE_LENGTH


def _after_fork() -> None:
    """Replace the lock: a thread of the parent may have held it, and is missing in the child."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
