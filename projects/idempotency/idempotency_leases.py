"""Renew the leases of the requests that this process handles, in a thread of its own.

A request may take longer than its lease, when Stripe is slow or a lock is waited for. The thread
ends with the process, whatever ends that. It holds no database session, which a pooler could share.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import DatabaseError, connection

from projects.idempotency import service as idempotency
from projects.idempotency.service import IdempotencyLock

RENEWAL_SECONDS = 1.0
"""Interval of renewal; most requests end before the first one."""

log = structlog.get_logger(__name__)


class LockRenewer:
    """The idempotency locks of requests in progress in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[int, tuple[float, IdempotencyLock]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def renewing(self, lock: IdempotencyLock) -> Iterator[None]:
        """Renew the lock until the block ends."""
        with self._lock:
            self._held[id(lock)] = (self._clock(), lock)
            self._ensure_thread()
        try:
            yield
        finally:
            with self._lock:
                del self._held[id(lock)]

    def renew(self) -> None:
        """Renew locks held for a renewal interval. When the database is away, leases may be
        lost."""
        cutoff = self._clock() - RENEWAL_SECONDS
        with self._lock:
            due = [lock for held_since, lock in self._held.values() if held_since <= cutoff]
        if not due:
            return
        try:
            idempotency.renew_leases(locks=due)
        except DatabaseError as error:
            log.warning("idempotency_leases_not_renewed", error=type(error).__name__)

    def _ensure_thread(self) -> None:
        """A thread does not survive a fork: the child starts one of its own."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="idempotency", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(RENEWAL_SECONDS)
            try:
                self.renew()
            finally:
                connection.close()


lock_renewer = LockRenewer()
