"""The one path from Stripe's truth to ours: read an object again and apply what it says.

Webhooks, the return from checkout, our own writes, reconciliation and the operator's *read again*
all end here. Duplicates, gaps and reordering can delay the truth but never change it:

* :func:`request_sync` asks for a read of an object, in the transaction that has news of it;
* a claim takes a lease and a fence before Stripe is asked (``billing.sync.sync_queue``);
* :func:`read` asks Stripe with no transaction open;
* :func:`store` applies the answer and records that it did in one transaction, or does nothing.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.conf import settings

from billing.sync import bulk_read, sync_queue
from billing.sync.batch_reads import BatchReads, ReadResult
from billing.sync.batch_store import BatchStore
from billing.sync.interactive_reads import now, now_together
from billing.sync.object_sync import (
    OUTAGES,
    BudgetSpent,
    read,
    record_failure,
    store,
)
from billing.sync.request_back_off import RequestBackOff
from billing.sync.selectors import back_offs
from billing.sync.sync_queue import AccountKind, SyncLease, claim_due, fail, request_sync
from common.queue import enqueue

__all__ = [
    "claim_due",
    "drain",
    "fail",
    "now",
    "now_together",
    "read",
    "record_failure",
    "request_sync",
    "store",
]

log = structlog.get_logger(__name__)

Lists = dict[AccountKind, list[SyncLease]]
"""Kinds whose list is read, with the objects of them that are leased already."""

MAX_OBJECTS_PER_RUN = 1000
"""Default limit of :func:`drain`."""


def drain(
    *,
    at: datetime,
    limit: int = MAX_OBJECTS_PER_RUN,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Read and store due objects until none is due, ``limit`` is reached or the duration of a
    lease has passed; then wake a worker for the rest. Returns how many objects were claimed.

    An error concerns its object alone. Reads whose budget is used up wait for the next run;
    an account that does not answer, or refuses one kind of request, waits for its back-off
    (``billing.sync.request_back_off``).
    """
    run = _Run(at=at, clock=clock)
    claimed = 0
    while claimed < limit and not run.is_over:
        size = min(settings.BILLING.sync_batch, limit - claimed)
        batch = claim_due(limit=size, without=run.over_budget)
        if not batch:
            return claimed
        claimed += len(batch)
        lists = run.choose_lists(batch) if len(batch) == size else {}
        listed = {lease.sync_id for held in lists.values() for lease in held}
        run.drain_batch([lease for lease in batch if lease.sync_id not in listed])
        claimed += run.drain_lists(lists)
    enqueue("billing.sync")
    return claimed


@dataclass(slots=True)
class _Run:
    """What one run of :func:`drain` knows about the accounts, and when it ends."""

    at: datetime
    clock: Callable[[], float]
    end: float = field(init=False)
    over_budget: set[AccountKind] = field(default_factory=set)
    back_off: RequestBackOff = field(default_factory=RequestBackOff)

    def __post_init__(self) -> None:
        self.end = self.clock() + settings.BILLING.sync_lease.total_seconds()

    @property
    def is_over(self) -> bool:
        return self.clock() >= self.end

    def drain_batch(self, batch: list[SyncLease]) -> None:
        """Read and store a batch during the first half of its lease, and release the rest."""
        half_time = self.clock() + settings.BILLING.sync_lease.total_seconds() / 2
        reads = BatchReads(
            batch, may_read=lambda lease: self.clock() < half_time and not self._is_stopped(lease)
        )
        answers = self._answers()
        for result in reads:
            answers.add(result)
        answers.flush()
        for lease in reads.unread:
            sync_queue.release(lease)

    def choose_lists(self, batch: list[SyncLease]) -> Lists:
        """The kinds of which so many objects are due that their list is read instead, each with its
        objects of this batch. One that a dead worker left behind is read by itself."""
        held: Lists = defaultdict(list)
        for lease in batch:
            if not lease.is_abandoned:
                held[lease.account_kind].append(lease)
        threshold = settings.BILLING.bulk_read_threshold
        many = [each for each, leases in held.items() if len(leases) > threshold]
        many += sync_queue.kinds_with_many_due(without=self.over_budget)
        return {each: held[each] for each in many}

    def drain_lists(self, lists: Lists) -> int:
        """Read these lists of Stripe. Returns how many more objects were claimed for them."""
        claimed = 0
        for (account_id, kind), held in lists.items():
            if self.is_over:
                for lease in held:
                    sync_queue.release(lease)
                continue
            try:
                leases, unread = bulk_read.read_list(
                    account_id=account_id, kind=kind, held=held, answers=self._answers()
                )
            except OUTAGES as error:
                self.back_off.record_failure(account_id, back_offs.read_request(kind), error)
                continue
            claimed += len(leases) - len(held)
            self.drain_batch(unread)
        return claimed

    def _answers(self) -> BatchStore:
        return BatchStore(self.at, self._store_result, self._record_answer, clock=self.clock)

    def _is_stopped(self, lease: SyncLease) -> bool:
        return lease.account_kind in self.over_budget or self.back_off.is_backing_off(
            lease.account.pk, back_offs.read_request(lease.kind)
        )

    def _store_result(self, result: ReadResult) -> None:
        lease = result.lease
        try:
            store(lease, result.value(), at=self.at)
        except Exception as error:  # noqa: BLE001  # one object's trouble must not stop the others
            record_failure(lease, error, at=self.at)
            if isinstance(error, BudgetSpent):
                self.over_budget.add(lease.account_kind)
            elif not self.back_off.stops_for(
                lease.account.pk, back_offs.read_request(lease.kind), error
            ):
                _log_failure(lease, error)
        else:
            self._record_answer(result)

    def _record_answer(self, result: ReadResult) -> None:
        lease = result.lease
        self.back_off.record_answer(lease.account.pk, back_offs.read_request(lease.kind))


def _log_failure(lease: SyncLease, error: Exception) -> None:
    log.warning(
        "sync_failed",
        kind=lease.kind,
        stripe_id=lease.stripe_id,
        attempt=lease.attempts + 1,
        error=type(error).__name__,
    )
