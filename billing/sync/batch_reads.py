"""Read the objects of a batch from Stripe, several at once, within the account's budget.

An answer of Stripe takes a fifth of a second, and most of it is waiting. So a few threads wait for
answers while the caller stores those that have come. The threads use no database connection.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings

from billing.stripe import budget
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.snapshots import StripeSnapshot
from billing.sync import reader_threads
from billing.sync.object_sync import budget_spent, retrieve, traced
from billing.sync.sync_queue import AccountKind, SyncLease

LONGEST_PAUSE_SECONDS = 0.5
"""A lane whose next read is allowed later than this is left to the next run."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What Stripe answered: a snapshot, None for an object that is gone, or the ``error``."""

    lease: SyncLease
    snapshot: StripeSnapshot | None = None
    error: Exception | None = None

    def value(self) -> StripeSnapshot | None:
        """The answer. Raises the error."""
        if self.error is not None:
            raise self.error
        return self.snapshot


class BatchReads:
    """The reads of one batch, as results in the order in which Stripe answers.

    ``may_read`` is asked before each read; leases for which it says no are in ``unread`` at the
    end.
    """

    def __init__(
        self, leases: Iterable[SyncLease], *, may_read: Callable[[SyncLease], bool]
    ) -> None:
        self.unread: list[SyncLease] = []
        self._may_read = may_read
        self._waiting = deque(leases)
        self._running: dict[Future[StripeSnapshot | None], SyncLease] = {}
        self._allowed_at: dict[AccountKind, float] = {}

    def __iter__(self) -> Iterator[ReadResult]:
        while self._waiting or self._running:
            yield from self._start_reads()
            yield from self._finished_reads()

    def _start_reads(self) -> Iterator[ReadResult]:
        """Start what may be read now; yield what cannot be read."""
        for _ in range(len(self._waiting)):
            if len(self._running) >= settings.BILLING.sync_readers:
                return
            lease = self._waiting.popleft()
            if not self._may_read(lease):
                self.unread.append(lease)
                continue
            pause = self._pause(lease)
            if pause > LONGEST_PAUSE_SECONDS:
                yield ReadResult(lease, error=budget_spent(Lane.BACKGROUND))
            elif pause:
                self._waiting.append(lease)
            elif (result := self._start(lease)) is not None:
                yield result

    def _pause(self, lease: SyncLease) -> float:
        """0.0 if the budget allows the read now, otherwise the seconds until it may."""
        now = time.monotonic()
        pause = self._allowed_at.get(lease.account_kind, 0.0) - now
        if pause > 0:
            return pause
        pause = budget.take(lease.account, Lane.BACKGROUND, kind=lease.kind)
        self._allowed_at[lease.account_kind] = now + pause
        return pause

    def _start(self, lease: SyncLease) -> ReadResult | None:
        """Start to read in a thread; with one reader, read now and return the result."""
        try:
            read = partial(_read, client_for(lease.account), lease)
            if settings.BILLING.sync_readers == 1:
                return ReadResult(lease, read())
        except Exception as error:  # noqa: BLE001  # the caller records it with the object
            return ReadResult(lease, error=error)
        self._running[reader_threads.start(read)] = lease
        return None

    def _finished_reads(self) -> Iterator[ReadResult]:
        """Wait until a read has ended, or the next one may start; yield those that have ended."""
        if not self._running:
            time.sleep(self._next_pause() or 0.0)
            return
        is_full = len(self._running) >= settings.BILLING.sync_readers
        done, _ = wait(
            self._running,
            timeout=None if is_full else self._next_pause(),
            return_when=FIRST_COMPLETED,
        )
        for future in done:
            yield _result(self._running.pop(future), future)

    def _next_pause(self) -> float | None:
        """Seconds until the budget allows another read; None if no read waits for it."""
        times = [self._allowed_at[lease.account_kind] for lease in self._waiting]
        return max(0.0, min(times) - time.monotonic()) if times else None


def _read(client: Any, lease: SyncLease) -> StripeSnapshot | None:
    with traced(lease, "read"):
        return retrieve(client, lease)


def _result(lease: SyncLease, future: "Future[StripeSnapshot | None]") -> ReadResult:
    error = future.exception()
    if error is None:
        return ReadResult(lease, future.result())
    if not isinstance(error, Exception):
        raise error
    return ReadResult(lease, error=error)
