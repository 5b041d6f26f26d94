"""The queue of Stripe objects to read again: which worker may read which object, and the result.

A claim is a lease and a fence (:mod:`common.lease`). The lease keeps other workers away for a
while; the fence is the epoch, which the claim counts up *before* Stripe is asked. Every later write
names that epoch, so a worker that has lost its lease changes nothing. ``seen`` is the number of
requests that the claim covers: after a request that comes in during the read the object stays due.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from billing.models import StripeAccount, SyncObject
from billing.sync import queue_sql
from billing.sync.selectors import sync_objects
from common import prepared_statements, traces
from common.errors import DomainError
from common.lease import LeaseColumns
from common.lease import release as release_row
from common.logs import error_text
from common.prepared_queries import PreparedQuery, is_any
from common.queue import enqueue
from common.retry_pause import RetryPause

COLUMNS = LeaseColumns(fence="epoch")
PAUSE = RetryPause(first=timedelta(seconds=1), factor=5, jitter=(1.0, 1.5))
"""Of an object that fails."""
OUTAGE_PAUSE = RetryPause(first=timedelta(seconds=5), jitter=(1.0, 1.5))
"""After Stripe did not answer, or refused the account's key."""

_ACCOUNTS = PreparedQuery(lambda: StripeAccount.objects.filter(is_any("id", "ids")))


class AccountKind(NamedTuple):
    """A kind of object in one Stripe account, which has a budget of its own."""

    account_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class SyncLease:
    """The right to read one object and to store what was read, until the lease ends."""

    sync_id: int
    account: StripeAccount
    kind: str
    stripe_id: str
    epoch: int
    seen: int
    attempts: int
    due_since: datetime
    applied_digest: bytes | None
    """Of the snapshot that was applied last; None when the next one is applied in any case."""
    stripe_event_id: str
    """The event that requested the last read; empty if it was no event."""
    out_of_date_since: datetime | None
    """When it was parked, if the tenant knows that and it has not been applied since."""
    event_created_at: datetime | None
    """When Stripe created that event."""
    traceparent: str
    """The trace that the object belongs to; empty without one."""
    is_abandoned: bool
    """Whether the last lease ended without a release: its worker died, or took too long."""

    @property
    def account_kind(self) -> AccountKind:
        return AccountKind(self.account.pk, self.kind)


def request_sync(
    *, account_id: str, kind: str, stripe_id: str, project_id: str = "", at_once: bool = False
) -> tuple[int, int]:
    """Ask for one more read of an object. Returns the id of its row and the number of this request.

    The object is applied even if it has not changed at Stripe: what follows from it may have. Wakes
    a parked object. A failing object keeps its pause unless it must be read ``at_once``. With a
    ``project_id`` an object that was never read waits in the project's lane.
    """
    parameters = {"account_id": account_id, "kind": kind, "stripe_id": stripe_id}
    flags = {
        "lane": project_id,
        "at_once": at_once,
        "even_if_unchanged": True,
        "event_id": "",
        "event_created_at": None,
        "traceparent": traces.current_header(),
    }
    rows = prepared_statements.fetch_rows(queue_sql.REQUEST_SYNC, {**parameters, **flags})
    sync_id, number = rows[0]
    return sync_id, number


def request_syncs(rows: QuerySet[SyncObject]) -> int:
    """Ask for one more read of objects that have been read before, at once; they are applied even
    if they have not changed at Stripe. Returns how many. The caller has begun a transaction."""
    locked = sync_objects.lock_in_order(rows)
    count = SyncObject.objects.filter(pk__in=locked).update(
        requested=F("requested") + 1,
        next_try_at=Now(),
        attempts=0,
        parked_at=None,
        applied_digest=None,
        stripe_event_id="",
        event_created_at=None,
    )
    if count:
        enqueue("billing.sync")
    return count


def claim_due(*, limit: int, without: Collection[AccountKind] = ()) -> list[SyncLease]:
    """Lease up to ``limit`` due objects: round robin over the accounts, within an account over its
    projects, and within a project over its kinds; of each kind those that have been due longest.

    Leaves out accounts and kinds that back off, and those ``without``. Objects that a dead
    worker left behind come last and in random order, so that an object that kills its readers does
    not keep the same neighbours waiting.
    """
    leases = _claim(limit, without=without)
    fresh = [lease for lease in leases if not lease.is_abandoned]
    abandoned = [lease for lease in leases if lease.is_abandoned]
    random.shuffle(abandoned)
    return fresh + abandoned


def kinds_with_many_due(*, without: Collection[AccountKind] = ()) -> list[AccountKind]:
    """Kinds with so many due objects that their list should be read instead."""
    threshold = settings.BILLING.bulk_read_threshold
    parameters = {"threshold": threshold, **_excluded(without)}
    rows = prepared_statements.fetch_rows(queue_sql.KINDS_WITH_MANY_DUE, parameters)
    return [AccountKind(*row) for row in rows]


def claim_kind(*, account_id: str, kind: str, limit: int) -> list[SyncLease]:
    """Lease up to ``limit`` due objects of one kind in one account."""
    return _claim(limit, account_id=account_id, kind=kind)


def claim_object(*, account: StripeAccount, sync_id: int) -> SyncLease | None:
    """Lease one object of this account, due or not. None while another worker holds it, or if no
    read of it is requested."""
    parameters = {"sync_id": sync_id, "lease": settings.BILLING.sync_lease}
    row = prepared_statements.fetch_row(queue_sql.CLAIM_OBJECT, parameters)
    return None if row is None else SyncLease(row[0], account, *row[2:])


def renew(leases: Collection[SyncLease]) -> None:
    """Begin these leases anew, except those that are lost."""
    ids, epochs = [lease.sync_id for lease in leases], [lease.epoch for lease in leases]
    prepared_statements.fetch_rows(
        queue_sql.RENEW, {"ids": ids, "epochs": epochs, "lease": settings.BILLING.sync_lease}
    )


def complete(
    lease: SyncLease,
    *,
    at: datetime,
    project_id: str | None,
    foreign_customer: str = "",
    digest: bytes | None = None,
) -> bool:
    """Record that what was read has been applied: for this project, or as an object that belongs to
    no project, with Stripe's customer. False when the lease is lost.

    Last statement of the transaction that applied it: the caller rolls back on False. With a
    ``digest`` the same snapshot need not be applied again, unless somebody has asked for that since
    the object was leased.
    """
    ownership = {
        "project_id": project_id,
        "foreign_at": None if project_id else at,
        "foreign_customer": foreign_customer,
    }
    return _complete(queue_sql.COMPLETE, lease, at, digest=digest, **ownership)


def complete_without_change(lease: SyncLease, *, at: datetime) -> bool:
    """Record that the object was read without a change of our row. False when the lease is lost."""
    return _complete(queue_sql.COMPLETE_WITHOUT_CHANGE, lease, at)


def complete_unchanged(lease: SyncLease, *, at: datetime) -> bool:
    """Record that what was read is what was applied before. False when the lease is lost."""
    return _complete(queue_sql.COMPLETE_UNCHANGED, lease, at)


def complete_unchanged_together(leases: Sequence[SyncLease], *, at: datetime) -> set[int]:
    """The same for many objects in one statement. Returns the ids of their rows, except of those
    whose lease is lost and of those that a tenant has seen out of date."""
    columns = zip(*((lease.sync_id, lease.epoch, lease.seen) for lease in leases), strict=True)
    ids, epochs, seen = map(list, columns)
    parameters = {"ids": ids, "epochs": epochs, "seen": seen, "at": at}
    rows = prepared_statements.fetch_rows(queue_sql.COMPLETE_UNCHANGED_TOGETHER, parameters)
    return {sync_id for (sync_id,) in rows}


def _complete(statement: str, lease: SyncLease, at: datetime, **values: Any) -> bool:
    parameters = {"id": lease.sync_id, "epoch": lease.epoch, "seen": lease.seen, "at": at}
    return prepared_statements.fetch_row(statement, {**parameters, **values}) is not None


def release(lease: SyncLease) -> bool:
    """Give an object back unread; it is due at once. False when the lease is lost."""
    return _release(lease)


def postpone(lease: SyncLease, error: DomainError) -> bool:
    """Try again later, because the account cannot be asked now. Never parks the object."""
    pause = OUTAGE_PAUSE.after(failures=1, at_least=timedelta(seconds=error.retry_after or 0))
    return _release(lease, next_try_at=Now() + pause, last_error=error_text(error))


def fail(lease: SyncLease, error: Exception, *, at: datetime) -> bool:
    """Count a failed try and pause; after ``sync_attempts`` failures the object is parked."""
    attempts = lease.attempts + 1
    return _release(
        lease,
        attempts=attempts,
        next_try_at=Now() + PAUSE.after(failures=attempts),
        last_error=error_text(error),
        parked_at=at if is_last_attempt(lease) else None,
    )


def is_last_attempt(lease: SyncLease) -> bool:
    """Whether a failure of this try parks the object."""
    return lease.attempts + 1 >= settings.BILLING.sync_attempts


def park(lease: SyncLease, error: Exception, *, at: datetime) -> bool:
    """Leave the object to a person. It is read again when its next read is requested."""
    return _release(lease, next_try_at=Now(), last_error=error_text(error), parked_at=at)


def _release(lease: SyncLease, **values: Any) -> bool:
    rows = SyncObject.objects.all()
    return release_row(rows, key=lease.sync_id, fence=lease.epoch, columns=COLUMNS, **values)


def _claim(
    limit: int, *, without: Collection[AccountKind] = (), account_id: str = "", kind: str = ""
) -> list[SyncLease]:
    parameters = {
        "limit": limit,
        "lease": settings.BILLING.sync_lease,
        **_excluded(without),
        "account_id": account_id,
        "kind": kind,
        "turn": str(random.getrandbits(32)),
    }
    return _sync_leases(prepared_statements.fetch_rows(queue_sql.CLAIM_DUE, parameters))


def _excluded(kinds: Collection[AccountKind]) -> dict[str, list[str]]:
    """The parameters of ``queue_sql`` that exclude these kinds."""
    return {
        "without_accounts": [each.account_id for each in kinds],
        "without_kinds": [each.kind for each in kinds],
    }


def _sync_leases(rows: list[tuple[Any, ...]]) -> list[SyncLease]:
    if not rows:
        return []
    account_ids = sorted({row[1] for row in rows})
    accounts = {account.pk: account for account in _ACCOUNTS.rows(ids=account_ids)}
    return [SyncLease(row[0], accounts[row[1]], *row[2:]) for row in rows]
