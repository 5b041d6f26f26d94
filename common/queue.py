"""Celery as a doorbell: a wake-up, never the record of work.

``enqueue`` rings after commit, at most once per name in a short window per process, and swallows
every error: workers poll the database each second, so a lost ring costs at most that second.
"""

import threading
import time

import structlog
from celery import current_app
from django.db import transaction

from common.redis import Breaker

log = structlog.get_logger(__name__)

WINDOW = 0.05
"""Seconds in which several rings of one bell are one."""

_breaker = Breaker()
_lock = threading.Lock()
_rung: dict[str, float] = {}


def enqueue(task: str) -> None:
    """Wake a worker for ``task`` (by name) once the current transaction has committed."""
    transaction.on_commit(lambda: _ring(task), robust=True)


def _ring(task: str) -> None:
    if _breaker.is_open or not _may_ring(task):
        return
    try:
        current_app.send_task(task, retry=False, ignore_result=True)
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
