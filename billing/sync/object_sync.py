"""Read one object from Stripe and store what it says, or record why that failed."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any, TypeGuard

import structlog
from django.db import DataError, OperationalError, transaction

from billing.models import StripeAccount
from billing.stripe import budget, request_metrics
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.errors import (
    StripeBusy,
    StripeCredentialsRefused,
    StripeMalformed,
    StripeObjectMissing,
    StripeUnavailable,
    malformed,
)
from billing.stripe.snapshots import StripeSnapshot
from billing.sync import (
    apply,
    event_latency,
    follow_ups,
    kinds,
    missing_objects,
    parked_objects,
    snapshot_digest,
    sync_queue,
)
from billing.sync.selectors.owners import LockedOwners
from billing.sync.sync_queue import SyncLease
from common import log_fields, traces
from common.context import CauseType, caused_by
from common.errors import DomainError, Unavailable
from common.lease import LeaseLost
from common.spans import SpanKind, span

log = structlog.get_logger(__name__)

Answer = tuple[SyncLease, StripeSnapshot]
"""An object that was read, and what Stripe says of it."""
MAX_TRIES = 3
"""Of one transaction that PostgreSQL has rolled back because of a concurrent one."""
SERIALIZATION_ERRORS = frozenset({"40P01", "40001"})
"""PostgreSQL's deadlock_detected and serialization_failure."""


class BudgetSpent(Unavailable):
    """The account's budget of reads is used up for now."""


OUTAGES = (StripeUnavailable, StripeCredentialsRefused, BudgetSpent)
"""Failures of a whole account, which say nothing about the object that was read. The exception is
a malformed answer, a StripeUnavailable that concerns the object alone: :func:`_is_outage`."""


def read_and_store(lease: SyncLease, *, at: datetime, lane: Lane, wait: float) -> bool:
    """Read the object within the account's budget, and store it. False when the lease is lost.

    ``wait`` is how many seconds to wait for the budget. Every error is recorded and raised again.
    """
    with traced(lease, "sync"):
        try:
            wait_for_budget(lease.account, lane, kind=lease.kind, patience=wait)
            return store(lease, read(lease), at=at)
        except Exception as error:
            record_failure(lease, error, at=at)
            raise


@contextmanager
def traced(lease: SyncLease, verb: str) -> Iterator[None]:
    """What is done inside continues the object's trace; its log lines name the object."""
    attributes = {
        "tollgate.sync.kind": lease.kind,
        "tollgate.stripe_id": lease.stripe_id,
        "tollgate.stripe_event_id": lease.stripe_event_id,
    }
    with (
        log_fields.scope(
            kind=lease.kind, stripe_id=lease.stripe_id, stripe_event_id=lease.stripe_event_id
        ),
        traces.continued(lease.traceparent),
        span(
            f"{verb} {lease.kind}",
            SpanKind.INTERNAL,
            begins_trace=True,
            attributes=attributes,
        ),
    ):
        yield


def wait_for_budget(account: StripeAccount, lane: Lane, *, kind: str, patience: float) -> None:
    """Wait for permission to read an object of this kind. Raises BudgetSpent after ``patience``
    seconds."""
    if not budget.wait(account, lane, kind=kind, patience=patience):
        raise budget_spent(lane)


def budget_spent(lane: Lane) -> BudgetSpent:
    """Count a read that is put off, and return its error."""
    request_metrics.BUDGET_EXHAUSTED.labels(lane.value).inc()
    return BudgetSpent("This Stripe account's rate limit is used up.", retry_after=2)


def read(lease: SyncLease) -> StripeSnapshot | None:
    """Retrieve the object from Stripe. None when Stripe has no such object any more.

    Raises StripeUnavailable.
    """
    return retrieve(client_for(lease.account), lease)


def retrieve(client: Any, lease: SyncLease) -> StripeSnapshot | None:
    """As :func:`read`, with a client of the account; uses no database connection."""
    try:
        return kinds.of(lease.kind).retrieve(client, lease.stripe_id)
    except StripeObjectMissing:
        return None


def store(lease: SyncLease, snapshot: StripeSnapshot | None, *, at: datetime) -> bool:
    """Apply what was read as :func:`_store` does; count the time since the event that requested
    it."""
    with traced(lease, "store"):
        is_held = _store(lease, snapshot, at=at)
        if is_held:
            log.info("object_synced")
    if is_held:
        event_latency.record_applied(kind=lease.kind, created_at=lease.event_created_at)
    return is_held


def store_together(answers: Sequence[Answer], *, at: datetime) -> bool:
    """Apply objects of one customer in one transaction, owners before what they own. What follows
    from them is recomputed once (:mod:`billing.sync.follow_ups`).

    False if one of them cannot be applied: then none is, and each has to be stored by itself.
    """
    locked = LockedOwners()
    try:
        with transaction.atomic(), follow_ups.gathered():
            for lease, snapshot in sorted(answers, key=_owners_first):
                with traced(lease, "store"):
                    _apply(lease, snapshot, snapshot_digest.digest(snapshot), at, locked)
    except Exception as error:  # noqa: BLE001  # what it is about is found out one by one
        log.info("sync_together_failed", objects=len(answers), error=type(error).__name__)
        return False
    for lease, _ in answers:
        log.info("object_synced", kind=lease.kind, stripe_id=lease.stripe_id)
        event_latency.record_applied(kind=lease.kind, created_at=lease.event_created_at)
    return True


def is_unchanged(lease: SyncLease, snapshot: StripeSnapshot) -> bool:
    """Whether this is what was applied last, so that nothing is left to do."""
    return (
        lease.applied_digest is not None
        and snapshot_digest.digest(snapshot) == lease.applied_digest
    )


def _owners_first(answer: Answer) -> int:
    return list(kinds.KINDS).index(answer[0].kind)


def _store(lease: SyncLease, snapshot: StripeSnapshot | None, *, at: datetime) -> bool:
    """Apply what was read, and record that it was, in one transaction. A snapshot that equals the
    applied one is not applied again, unless a request of ours requires it.

    False when the lease is lost: then nothing is changed. Raises StripeObjectVanished for an object
    that Stripe never deletes, and StripeMalformed for a value that PostgreSQL cannot store, such
    as a status that is too long.
    """
    digest = snapshot_digest.digest(snapshot) if snapshot else None
    if digest is not None and digest == lease.applied_digest:
        return _complete_unchanged(lease, at)
    keeps_row = snapshot is None and not missing_objects.may_be_gone(
        account=lease.account, kind=lease.kind, stripe_id=lease.stripe_id, at=at
    )
    tries = 0
    while True:
        try:
            with transaction.atomic(), follow_ups.gathered():
                _keep_row(lease, at) if keeps_row else _apply(lease, snapshot, digest, at)
        except LeaseLost:
            log.info("sync_claim_lost", kind=lease.kind, stripe_id=lease.stripe_id)
            return False
        except DataError as error:
            raise malformed(error) from error
        except OperationalError as error:
            tries += 1
            if (
                tries == MAX_TRIES
                or getattr(error.__cause__, "sqlstate", None) not in SERIALIZATION_ERRORS
            ):
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311  # lets the other one finish
        else:
            return True


def _apply(
    lease: SyncLease,
    snapshot: StripeSnapshot | None,
    digest: bytes | None,
    at: datetime,
    locked: LockedOwners | None = None,
) -> None:
    with _caused_by_event(lease):
        owner = apply.apply(
            account=lease.account,
            kind=lease.kind,
            stripe_id=lease.stripe_id,
            snapshot=snapshot,
            at=at,
            locked=locked,
        )
    if not sync_queue.complete(
        lease,
        at=at,
        project_id=owner.project_id if owner else None,
        foreign_customer="" if owner else apply.customer_of(snapshot),
        digest=digest if owner else None,
    ):
        raise LeaseLost
    parked_objects.record_recovered(lease, at=at)


def _caused_by_event(lease: SyncLease) -> AbstractContextManager[None]:
    """Changes inside are caused by the Stripe event that requested the read, if one did."""
    if not lease.stripe_event_id:
        return nullcontext()
    return caused_by(CauseType.STRIPE_EVENT, lease.stripe_event_id)


def _keep_row(lease: SyncLease, at: datetime) -> None:
    """Record the read without a change of our row, as an operator has decided."""
    if not sync_queue.complete_without_change(lease, at=at):
        raise LeaseLost
    parked_objects.record_recovered(lease, at=at)


def _complete_unchanged(lease: SyncLease, at: datetime) -> bool:
    """Record that nothing has changed; one statement unless the object was out of date."""
    if lease.out_of_date_since is None:
        return sync_queue.complete_unchanged(lease, at=at)
    with transaction.atomic():
        is_held = sync_queue.complete_unchanged(lease, at=at)
        if is_held:
            parked_objects.record_recovered(lease, at=at)
    return is_held


def _is_outage(error: Exception) -> TypeGuard[DomainError]:
    return isinstance(error, OUTAGES) and not isinstance(error, StripeMalformed)


def record_failure(lease: SyncLease, error: Exception, *, at: datetime) -> None:
    """Store the error with the object, and decide when the object is tried again."""
    if isinstance(error, BudgetSpent):
        sync_queue.release(lease)
        return
    if _is_outage(error):
        if isinstance(error, StripeBusy):
            budget.slow_down(lease.account)
        sync_queue.postpone(lease, error)
        return
    if isinstance(error, missing_objects.StripeObjectVanished):
        _park(sync_queue.park, lease, error, at)
        return
    if isinstance(error, apply.DependencyMissing):
        sync_queue.request_sync(
            account_id=lease.account.pk, kind=error.kind, stripe_id=error.stripe_id
        )
    if sync_queue.is_last_attempt(lease):
        _park(sync_queue.fail, lease, error, at)
    else:
        sync_queue.fail(lease, error, at=at)


def _park(release: Callable[..., bool], lease: SyncLease, error: Exception, at: datetime) -> None:
    """Release the object as parked, and record that its copy is out of date."""
    with transaction.atomic():
        if release(lease, error, at=at):
            parked_objects.record_parked(lease, error, at=at)
