"""The claims that this process is answering, renewed by a thread of its own while it lives.

A request may take longer than its lease: Stripe thinks, or a lock is waited for. The thread's only
word is "this process lives", so it ends with the process, whatever ended that. No session of the
database is held for it, which a pooler in front of PostgreSQL would share out.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import DatabaseError, connection

from projects.idempotency import service as idempotency
from projects.idempotency.service import Claim

RENEWAL_SECONDS = 1.0
"""How often a claim is renewed; most requests are over before the first time."""

log = structlog.get_logger(__name__)


class Leases:
    """The claims of requests under way in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[int, tuple[float, Claim]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def renewing(self, claim: Claim) -> Iterator[None]:
        """The claim is renewed until the block ends."""
        with self._lock:
            self._held[id(claim)] = (self._clock(), claim)
            self._ensure_thread()
        try:
            yield
        finally:
            with self._lock:
                del self._held[id(claim)]

    def renew(self) -> None:
        """Renew what has been held for a while. A database that is away loses some leases."""
        oldest = self._clock() - RENEWAL_SECONDS
        with self._lock:
            due = [claim for begun, claim in self._held.values() if begun <= oldest]
        if not due:
            return
        try:
            idempotency.renew(claims=due)
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


leases = Leases()
