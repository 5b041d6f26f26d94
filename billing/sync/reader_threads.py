"""The threads of this process that wait for Stripe's answers, and keep their connections to Stripe
open. They use no database connection.
"""

import contextvars
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from django.conf import settings

ResultT = TypeVar("ResultT")

_pool: ThreadPoolExecutor | None = None


def start(read: Callable[[], ResultT]) -> Future[ResultT]:
    """Start to read in a thread, with the caller's context: its trace and its log fields."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(settings.BILLING.sync_readers, thread_name_prefix="sync-reader")
    return _pool.submit(contextvars.copy_context().run, read)


def begin(read: Callable[[], ResultT]) -> Callable[[], ResultT]:
    """As :func:`start`; returns what waits for the result. With one reader it reads only then."""
    return read if settings.BILLING.sync_readers == 1 else start(read).result


def _after_fork() -> None:
    """A fork has no threads of its parent."""
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_after_fork)
