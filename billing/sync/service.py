"""The one path from Stripe's truth to ours: read an object again and apply what it says.

Webhooks, the return from checkout, our own writes, reconciliation and the operator's *read again*
all end here. Duplicates, gaps and reordering can delay the truth but never change it:

* :func:`mark` makes an object dirty, in the transaction of whoever has news of it;
* a claim takes a lease and a fence before Stripe is asked (``billing.sync.sync_queue``);
* :func:`read` asks Stripe with no transaction open;
* :func:`store` applies the answer and records that it did in one transaction, or does nothing.
"""

import random
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeGuard

import structlog
from django.conf import settings
from django.db import DataError, OperationalError, transaction

from billing.models import StripeAccount, SyncObject
from billing.stripe import budget
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
from billing.stripe.snapshots import Snapshot
from billing.sync import apply, kinds, missing_objects
from billing.sync import bulk_read as crowds
from billing.sync import sync_queue as leases
from billing.sync.request_back_off import RequestBackOff
from billing.sync.selectors import back_offs
from billing.sync.sync_queue import Claim, claim, fail, mark
from common.errors import DomainError, Unavailable
from common.queue import enqueue

__all__ = ["claim", "drain", "fail", "give_up", "mark", "now", "read", "store"]

log = structlog.get_logger(__name__)

RUN = 1000
"""Objects that one run takes at most, unless told otherwise."""
PATIENCE = 5.0
"""Seconds that an interactive caller waits for another worker that is reading the same object."""
PEEK = 0.05
"""Seconds between two looks at what that worker does."""
TRIES = 3
"""Of one transaction that PostgreSQL undid for reasons of concurrency."""
CLASHES = frozenset({"40P01", "40001"})
"""PostgreSQL's deadlock_detected and serialization_failure."""
A_MOMENT = 0.5
"""Seconds that a read in the background waits for leave to ask; the rest is for the next run."""


class BudgetSpent(Unavailable):
    """The account has been asked as often as it may be."""


AWAY = (StripeUnavailable, StripeCredentialsRefused, BudgetSpent)
"""Troubles of a whole account, which say nothing about the object that was asked for. A malformed
answer is the one kind of StripeUnavailable that is the object's own trouble: :func:`_is_away`."""


def read(claim: Claim) -> Snapshot | None:
    """What Stripe says about the object now; None when there is no such object any more.

    Raises StripeUnavailable.
    """
    try:
        return kinds.of(claim.kind).retrieve(client_for(claim.account), claim.stripe_id)
    except StripeObjectMissing:
        return None


def store(claim: Claim, snapshot: Snapshot | None, *, at: datetime) -> bool:
    """Apply what was read, and record that, in one transaction.

    False when the claim was lost on the way: then nothing is changed. Raises StripeObjectVanished
    for an object that cannot simply be gone, and StripeMalformed for what PostgreSQL cannot hold,
    such as a status that is too long.
    """
    keeps_row = snapshot is None and not missing_objects.may_be_gone(
        account=claim.account, kind=claim.kind, stripe_id=claim.stripe_id, at=at
    )
    tries = 0
    while True:
        try:
            with transaction.atomic():
                _keep_row(claim, at) if keeps_row else _apply(claim, snapshot, at)
        except _ClaimLost:
            log.info("sync_claim_lost", kind=claim.kind, stripe_id=claim.stripe_id)
            return False
        except DataError as error:
            raise malformed(error) from error
        except OperationalError as error:
            tries += 1
            if tries == TRIES or getattr(error.__cause__, "sqlstate", None) not in CLASHES:
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311  # lets the other one finish
        else:
            return True


def _apply(claim: Claim, snapshot: Snapshot | None, at: datetime) -> None:
    owner = apply.apply(
        account=claim.account,
        kind=claim.kind,
        stripe_id=claim.stripe_id,
        snapshot=snapshot,
        at=at,
    )
    if not leases.settle(
        claim,
        at=at,
        project_id=owner.project_id if owner else None,
        foreign_at=None if owner else at,
        foreign_customer="" if owner else apply.customer_of(snapshot),
    ):
        raise _ClaimLost


def _keep_row(claim: Claim, at: datetime) -> None:
    """Nothing changes here: an operator decided so."""
    if not leases.settle(claim, at=at):
        raise _ClaimLost


class _ClaimLost(Exception):
    """The lease ran out and somebody else has claimed the object since."""


def now(*, account: StripeAccount, kind: str, stripe_id: str, at: datetime) -> None:
    """Read one object and apply it before returning.

    If another worker is reading it, waits for an answer that is as new as this call. Raises
    StripeUnavailable, Unavailable after five seconds, or what applying it raised; the object
    stays marked in each case.
    """
    sync_id, number = mark(account_id=account.pk, kind=kind, stripe_id=stripe_id)
    give_up = time.monotonic() + PATIENCE
    while (left := give_up - time.monotonic()) > 0:
        mine = leases.claim_one(sync_id=sync_id)
        if mine is not None and _carry_out(mine, at, Lane.INTERACTIVE, patience=left):
            return
        if SyncObject.objects.filter(pk=sync_id, applied__gte=number).exists():
            return
        time.sleep(PEEK)
    raise Unavailable("Stripe's answer is still being stored. Try again in a few seconds.")


def drain(*, at: datetime, limit: int = RUN, clock: Callable[[], float] = time.monotonic) -> int:
    """Carry out due reads until none is left, ``limit`` is reached or the time of a lease is up.

    Returns how many objects were taken; rings for the rest. An error stays with its object. An
    account that may not be asked more often now waits for the next run; one that does not answer,
    or refuses one kind of request, for its back-off (``billing.sync.request_back_off``).
    """
    stop = clock() + settings.BILLING.sync_lease.total_seconds()
    taken = 0
    spent: set[str] = set()
    back_off = RequestBackOff()
    while taken < limit and clock() < stop:
        size = min(settings.BILLING.sync_batch, limit - taken)
        batch = claim(limit=size, without=spent)
        if not batch:
            return taken
        taken += len(batch)
        _drain_batch(batch, at=at, clock=clock, spent=spent, back_off=back_off)
        if len(batch) == size:
            taken += _drain_crowds(at=at, clock=clock, stop=stop, spent=spent, back_off=back_off)
    enqueue("billing.sync")
    return taken


def _drain_batch(
    batch: list[Claim],
    *,
    at: datetime,
    clock: Callable[[], float],
    spent: set[str],
    back_off: RequestBackOff,
) -> None:
    """Carry out a batch while the first half of its lease lasts; hand the rest back.

    Adds to ``spent`` the accounts whose budget is.
    """
    hand_back = clock() + settings.BILLING.sync_lease.total_seconds() / 2
    for each in batch:
        account_id, kind = each.account.pk, back_offs.read_of(each.kind)
        if clock() >= hand_back or account_id in spent or back_off.is_waiting(account_id, kind):
            leases.release(each)
        else:
            _attempt(each, at=at, spent=spent, back_off=back_off)


def _drain_crowds(
    *,
    at: datetime,
    clock: Callable[[], float],
    stop: float,
    spent: set[str],
    back_off: RequestBackOff,
) -> int:
    """Read lists where many objects of a kind are due; how many were taken."""
    taken = 0
    for account_id, kind in leases.crowds(without=spent):
        if clock() >= stop:
            break
        try:
            claims, left = crowds.read(
                account_id=account_id, kind=kind, store=partial(_store_listed, at=at)
            )
        except BudgetSpent:
            spent.add(account_id)
            continue
        except AWAY as error:
            back_off.failed(account_id, back_offs.read_of(kind), error)
            continue
        taken += len(claims)
        _drain_batch(left, at=at, clock=clock, spent=spent, back_off=back_off)
    return taken


def _store_listed(claim: Claim, snapshot: Snapshot, *, at: datetime) -> None:
    try:
        store(claim, snapshot, at=at)
    except Exception as error:  # noqa: BLE001  # one object's trouble must not stop the others
        give_up(claim, error, at=at)
        _log_failure(claim, error)


def _attempt(claim: Claim, *, at: datetime, spent: set[str], back_off: RequestBackOff) -> None:
    account_id, kind = claim.account.pk, back_offs.read_of(claim.kind)
    try:
        _carry_out(claim, at, Lane.BACKGROUND, patience=A_MOMENT)
    except BudgetSpent:
        spent.add(account_id)
    except Exception as error:  # noqa: BLE001  # one object's trouble must not stop the others
        if not back_off.stops_for(account_id, kind, error):
            _log_failure(claim, error)
    else:
        back_off.answered(account_id, kind)


def _log_failure(claim: Claim, error: Exception) -> None:
    log.warning(
        "sync_failed",
        kind=claim.kind,
        stripe_id=claim.stripe_id,
        attempt=claim.attempts + 1,
        error=type(error).__name__,
    )


def _carry_out(claim: Claim, at: datetime, lane: Lane, *, patience: float) -> bool:
    try:
        _wait_for_leave(claim, lane, patience)
        return store(claim, read(claim), at=at)
    except Exception as error:
        give_up(claim, error, at=at)
        raise


def _wait_for_leave(claim: Claim, lane: Lane, patience: float) -> None:
    if not budget.wait(claim.account, lane, patience=patience):
        raise BudgetSpent("This Stripe account is asked as often as it may be.", retry_after=2)


def _is_away(error: Exception) -> TypeGuard[DomainError]:
    return isinstance(error, AWAY) and not isinstance(error, StripeMalformed)


def give_up(claim: Claim, error: Exception, *, at: datetime) -> None:
    """Write down with the object what went wrong, and when it is to be tried again."""
    if isinstance(error, BudgetSpent):
        leases.release(claim)
        return
    if _is_away(error):
        if isinstance(error, StripeBusy):
            budget.slow_down(claim.account)
        leases.postpone(claim, error)
        return
    if isinstance(error, missing_objects.StripeObjectVanished):
        leases.park(claim, error, at=at)
        return
    if isinstance(error, apply.DependencyMissing):
        mark(account_id=claim.account.pk, kind=error.kind, stripe_id=error.stripe_id)
    fail(claim, error, at=at)
