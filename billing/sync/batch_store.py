"""Store the answers of a batch of reads: those about one customer together.

Objects of one purchase change within the same second. Stored one by one, each of them locks their
customer, and recomputes the access that the purchase gives. So an answer waits a moment for others
about its customer; then one transaction applies them all. Customers are independent: each has a
transaction of its own. Where one object of several cannot be stored, each is stored by itself, so
that the trouble stays with the object that has it. Objects that have not changed are settled in one
statement, whoever they belong to.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import DatabaseError

from billing.models.sync_object import ObjectKind
from billing.stripe.snapshots import StripeSnapshot
from billing.sync import apply, event_latency, object_sync, sync_queue
from billing.sync.batch_reads import ReadResult
from billing.sync.object_sync import Answer
from billing.sync.sync_queue import SyncLease

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.2
"""How long an answer waits for others: about as long as Stripe takes for the next one."""

StripeCustomerKey = tuple[str, str]
"""Our id of an account, and Stripe's of its customer."""


@dataclass(slots=True)
class BatchStore:
    """``store_one`` stores an answer by itself and records its error. ``count_stored`` is told of
    each that was stored with others."""

    at: datetime
    store_one: Callable[[ReadResult], None]
    count_stored: Callable[[ReadResult], None]
    clock: Callable[[], float] = time.monotonic
    _since: float = 0.0
    _groups: dict[StripeCustomerKey, list[ReadResult]] = field(default_factory=dict)
    _unchanged: list[ReadResult] = field(default_factory=list)

    def add(self, result: ReadResult) -> None:
        """Store the answer now or with others, at the latest when :meth:`flush` is called."""
        if result.snapshot is None:
            self.store_one(result)
            return
        if not self._groups and not self._unchanged:
            self._since = self.clock()
        if object_sync.is_unchanged(result.lease, result.snapshot):
            self._unchanged.append(result)
        elif (key := _customer_of(result.lease, result.snapshot)) is not None:
            self._groups.setdefault(key, []).append(result)
        else:
            self.store_one(result)
        if self.clock() - self._since >= GATHER_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Store everything that waits."""
        unchanged, self._unchanged = self._unchanged, []
        self._settle(unchanged)
        groups, self._groups = self._groups, {}
        for results in groups.values():
            if len(results) > 1 and object_sync.store_together(_answers(results), at=self.at):
                for result in results:
                    self.count_stored(result)
            else:
                for result in results:
                    self.store_one(result)

    def _settle(self, results: list[ReadResult]) -> None:
        """Record that these were applied before."""
        leases = [result.lease for result in results]
        settled = _settle_unchanged(leases, at=self.at) if len(leases) > 1 else set()
        for result in results:
            if result.lease.sync_id in settled:
                self.count_stored(result)
            else:
                self.store_one(result)


def _customer_of(lease: SyncLease, snapshot: StripeSnapshot) -> StripeCustomerKey | None:
    """Whose transaction the answer belongs to; None for one that nobody has."""
    if snapshot.deleted:
        return None
    is_customer = lease.kind == ObjectKind.CUSTOMER
    stripe_id = lease.stripe_id if is_customer else apply.customer_of(snapshot)
    return (lease.account.pk, stripe_id) if stripe_id else None


def _answers(results: list[ReadResult]) -> list[Answer]:
    return [(result.lease, result.snapshot) for result in results if result.snapshot is not None]


def _settle_unchanged(leases: Sequence[SyncLease], *, at: datetime) -> set[int]:
    """Record in one statement that what was read of these objects was applied before. Returns the
    ids of the rows of which that is recorded; the others have to be stored one by one."""
    try:
        settled = sync_queue.complete_unchanged_together(leases, at=at)
    except DatabaseError as error:
        log.info("sync_together_failed", objects=len(leases), error=type(error).__name__)
        return set()
    for lease in leases:
        if lease.sync_id in settled:
            log.info("object_synced", kind=lease.kind, stripe_id=lease.stripe_id)
            event_latency.record_applied(kind=lease.kind, created_at=lease.event_created_at)
    return settled
