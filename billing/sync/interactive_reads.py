"""Reads that a caller waits for: the object is read from Stripe and applied before they return.

If another worker is reading the object, the caller waits for an answer that is as new as its own
request. Every error leaves the object due.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models import StripeAccount, SyncObject
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing
from billing.stripe.snapshots import StripeSnapshot
from billing.sync import sync_queue
from billing.sync.object_sync import (
    read_and_store,
    record_failure,
    store,
    store_together,
    wait_for_budget,
)
from billing.sync.sync_queue import SyncLease, request_sync
from common.errors import Unavailable

INTERACTIVE_WAIT_SECONDS = 5.0
"""How long a caller waits for another worker that reads the same object."""
POLL_SECONDS = 0.05
"""Between two looks at whether that worker has finished."""

Objects = Sequence[tuple[str, str]]
"""Kinds and Stripe ids."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request of this call: the number of the object's row and of the request."""

    account: StripeAccount
    sync_id: int
    number: int

    def claim(self) -> SyncLease | None:
        return sync_queue.claim_object(account=self.account, sync_id=self.sync_id)

    def is_applied(self) -> bool:
        return SyncObject.objects.filter(pk=self.sync_id, applied__gte=self.number).exists()


def now(*, account: StripeAccount, kind: str, stripe_id: str, at: datetime) -> None:
    """Read one object and apply it before returning.

    Raises StripeUnavailable, Unavailable after five seconds, or the error of applying it.
    """
    _read(_request(account, kind, stripe_id), at)


def now_together(
    *,
    account: StripeAccount,
    objects: Objects,
    kind: str,
    read: Callable[[Any], Sequence[StripeSnapshot | None]],
    at: datetime,
) -> None:
    """Read several objects with one request, and apply them in their order before returning.

    ``kind`` is that of the object that the request names, with the others inside. ``read`` gets the
    account's client and returns a snapshot for each object, None for one that its answer does not
    contain. Such an object, and all of them if another worker is reading one or one is gone, are
    read by themselves. Raises as :func:`now`.
    """
    requests = [_request(account, kind, stripe_id) for kind, stripe_id in objects]
    leases = [lease for request in requests if (lease := request.claim()) is not None]
    snapshots: Sequence[StripeSnapshot | None] = [None] * len(requests)
    if len(leases) == len(requests):
        snapshots = _read_together(leases, kind, read, at)
    _store_together(leases, snapshots, at)
    for request in requests:
        if not request.is_applied():
            _read(request, at)


def _request(account: StripeAccount, kind: str, stripe_id: str) -> _Request:
    return _Request(account, *request_sync(account_id=account.pk, kind=kind, stripe_id=stripe_id))


def _read(request: _Request, at: datetime) -> None:
    deadline = time.monotonic() + INTERACTIVE_WAIT_SECONDS
    while (seconds_left := deadline - time.monotonic()) > 0:
        lease = request.claim()
        if lease is not None and read_and_store(
            lease, at=at, lane=Lane.INTERACTIVE, wait=seconds_left
        ):
            return
        if request.is_applied():
            return
        time.sleep(POLL_SECONDS)
    raise Unavailable("Stripe's answer is still being stored. Try again in a few seconds.")


def _read_together(
    leases: Sequence[SyncLease],
    kind: str,
    read: Callable[[Any], Sequence[StripeSnapshot | None]],
    at: datetime,
) -> Sequence[StripeSnapshot | None]:
    """One snapshot for each lease. An error is recorded with every object, and raised again."""
    account = leases[0].account
    try:
        wait_for_budget(account, Lane.INTERACTIVE, kind=kind, patience=INTERACTIVE_WAIT_SECONDS)
        return read(client_for(account))
    except StripeObjectMissing:
        return [None] * len(leases)
    except Exception as error:
        for lease in leases:
            record_failure(lease, error, at=at)
        raise


def _store_together(
    leases: Sequence[SyncLease], snapshots: Sequence[StripeSnapshot | None], at: datetime
) -> None:
    """Store what was read, and give back the leases of all other objects. An error gives back those
    of the objects behind it, and is raised again."""
    pending = list(zip(leases, snapshots, strict=False))
    answers = [(lease, snapshot) for lease, snapshot in pending if snapshot is not None]
    if len(answers) == len(pending) > 1 and store_together(answers, at=at):
        return
    while pending:
        lease, snapshot = pending.pop(0)
        if snapshot is None:
            sync_queue.release(lease)
            continue
        try:
            store(lease, snapshot, at=at)
        except Exception as error:
            record_failure(lease, error, at=at)
            for other, _ in pending:
                sync_queue.release(other)
            raise
