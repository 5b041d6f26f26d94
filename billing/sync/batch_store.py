"""Store the answers of a batch of reads: those about one customer together.

Objects of one purchase change within the same second. Stored one by one, each of them locks their
customer, and recomputes the access that the purchase gives. So an answer waits a moment for others
about its customer; then one transaction applies them all. Customers are independent: each has a
transaction of its own. Where one object of several cannot be stored, each is stored by itself, so
that the trouble stays with the object that has it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from billing.models.sync_object import ObjectKind
from billing.sync import apply, object_sync
from billing.sync.batch_reads import ReadResult
from billing.sync.object_sync import Answer

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

    def add(self, result: ReadResult) -> None:
        """Store the answer now or with others, at the latest when :meth:`flush` is called."""
        key = _customer_of(result)
        if key is None:
            self.store_one(result)
            return
        if not self._groups:
            self._since = self.clock()
        self._groups.setdefault(key, []).append(result)
        if self.clock() - self._since >= GATHER_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Store everything that waits."""
        groups, self._groups = self._groups, {}
        for results in groups.values():
            if len(results) > 1 and object_sync.store_together(_answers(results), at=self.at):
                for result in results:
                    self.count_stored(result)
            else:
                for result in results:
                    self.store_one(result)


def _customer_of(result: ReadResult) -> StripeCustomerKey | None:
    """Whose transaction the answer belongs to; None for one that has nothing to change, or nobody
    to change it for."""
    lease, snapshot = result.lease, result.snapshot
    if snapshot is None or snapshot.deleted or object_sync.is_unchanged(lease, snapshot):
        return None
    is_customer = lease.kind == ObjectKind.CUSTOMER
    stripe_id = lease.stripe_id if is_customer else apply.customer_of(snapshot)
    return (lease.account.pk, stripe_id) if stripe_id else None


def _answers(results: list[ReadResult]) -> list[Answer]:
    return [(result.lease, result.snapshot) for result in results if result.snapshot is not None]
