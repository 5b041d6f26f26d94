"""The dirty rows as a queue: who may read which object now, and what became of it.

A claim is a lease and a fence. The lease keeps others away for a while, by the database's clock;
the fence is the epoch that the claim took *before* Stripe is asked. Every later write names that
epoch, so a worker that lost its lease on the way changes nothing. ``seen`` is the request number
that the claim covers: a mark that comes in during the read stays due.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from billing.models import StripeAccount, SyncObject
from billing.sync import claim_sql
from common import lease
from common.errors import DomainError
from common.lease import LeaseColumns
from common.logs import error_text
from common.queue import enqueue
from common.retry_pause import RetryPause

COLUMNS = LeaseColumns(fence="epoch")
PAUSE = RetryPause(first=timedelta(seconds=1), factor=5, jitter=(1.0, 1.5))
"""Of an object that fails."""
OUTAGE_PAUSE = RetryPause(first=timedelta(seconds=5), jitter=(1.0, 1.5))
"""After Stripe did not answer, or did not take the account's key."""

_WANTED = """
WITH wanted (account_id, kind, stripe_id) AS (
    VALUES (%(account_id)s, %(kind)s, %(stripe_id)s)
)
"""

_ADD = """
INSERT INTO billing_syncobject AS sync (
    account_id, kind, stripe_id, requested, applied, epoch, attempts, next_try_at,
    foreign_customer, last_error)
SELECT account_id, kind, stripe_id, 1, 0, 0, 0, statement_timestamp(), '', '' FROM wanted
"""

_COUNT_UP = """
ON CONFLICT (account_id, kind, stripe_id) DO UPDATE SET
    requested = sync.requested + 1,
    attempts = CASE WHEN sync.parked_at IS NULL THEN sync.attempts ELSE 0 END,
    next_try_at = CASE
        WHEN sync.parked_at IS NULL AND sync.applied < sync.requested AND NOT %(at_once)s
        THEN sync.next_try_at
        ELSE statement_timestamp()
    END,
    parked_at = NULL
RETURNING id, requested
"""

_MARK = _WANTED + _ADD + _COUNT_UP

_WAITING = """
waiting AS MATERIALIZED (
    SELECT sync.id, sync.requested
    FROM wanted JOIN billing_syncobject AS sync USING (account_id, kind, stripe_id)
    WHERE sync.applied < sync.requested AND sync.parked_at IS NULL AND sync.leased_until IS NULL
)
"""

_UNLESS_WAITING = "WHERE NOT EXISTS (TABLE waiting)"

_MARKED = "marked (sync_id, number) AS (TABLE waiting UNION ALL TABLE asked)"

MARKED = f"{_WAITING}, asked AS ({_ADD}{_UNLESS_WAITING}{_COUNT_UP}), {_MARKED}"
"""As :func:`mark`, for a statement that does more: it names the object in ``wanted (account_id,
kind, stripe_id)``, or nothing, gives ``at_once``, and finds what ``mark`` returns in ``marked``.

An object that waits, and that nobody has begun to read, is left alone: whoever claims it after
this statement began asks Stripe after that too, so the request that is there covers this one. A
burst of events about it takes no lock and writes nothing. A lease that has run out does not
count as nobody: its holder may be alive and about to store an older answer.
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to read one object and to store what was read, until the lease ends."""

    sync_id: int
    account: StripeAccount
    kind: str
    stripe_id: str
    epoch: int
    seen: int
    attempts: int
    due_since: datetime
    is_abandoned: bool
    """Whether the last lease ended without a release: its worker died, or took too long."""


def mark(*, account_id: str, kind: str, stripe_id: str, at_once: bool = False) -> tuple[int, int]:
    """Ask for one more read of an object: the id of its row and the number of this request.

    Wakes a parked object. One that is failing keeps its pause unless it must be read ``at_once``.
    """
    found = _run(
        _MARK,
        {"account_id": account_id, "kind": kind, "stripe_id": stripe_id, "at_once": at_once},
    )
    sync_id, number = found[0]
    return sync_id, number


def mark_all(rows: QuerySet[SyncObject]) -> int:
    """Ask at once for one more read of objects that have been read before; how many there are."""
    marked = rows.update(
        requested=F("requested") + 1, next_try_at=Now(), attempts=0, parked_at=None
    )
    if marked:
        enqueue("billing.sync")
    return marked


def claim(*, limit: int, without: Collection[str] = ()) -> list[Claim]:
    """Take up to this many due objects away from everybody else: by turns of the accounts, and
    within an account of the kinds, those that have waited longest.

    Accounts and kinds that back off, and the accounts ``without``, are left alone. What a dead
    worker left behind comes last and in random order, so that an object that kills its readers
    does not keep the same neighbours waiting.
    """
    claims = _claim_due(limit, without=without)
    fresh = [each for each in claims if not each.is_abandoned]
    abandoned = [each for each in claims if each.is_abandoned]
    random.shuffle(abandoned)
    return fresh + abandoned


def crowds(*, without: Collection[str] = ()) -> list[tuple[str, str]]:
    """Account and kind of which more objects are due than anybody should read one by one."""
    crowd = settings.BILLING.sync_crowd
    found = _run(claim_sql.CROWDS, {"crowd": crowd, "without": list(without)})
    return [(account_id, kind) for account_id, kind in found]


def claim_crowd(*, account_id: str, kind: str, limit: int) -> list[Claim]:
    """Take up to this many due objects of one kind in one account."""
    return _claim_due(limit, account_id=account_id, kind=kind)


def hold(claims: Collection[Claim]) -> None:
    """Begin the leases of these claims anew, as far as they are still ours."""
    ids, epochs = [each.sync_id for each in claims], [each.epoch for each in claims]
    _run(claim_sql.RENEW, {"ids": ids, "epochs": epochs, "lease": settings.BILLING.sync_lease})


def claim_one(*, sync_id: int) -> Claim | None:
    """Take this object, due or not; None while somebody holds it or when nothing is asked."""
    parameters = {"sync_id": sync_id, "lease": settings.BILLING.sync_lease}
    claims = _claims(_run(claim_sql.CLAIM_ONE, parameters))
    return claims[0] if claims else None


def settle(claim: Claim, *, at: datetime, **ownership: Any) -> bool:
    """Record that what was read has been applied; False when the claim is no longer ours.

    Last statement of the transaction that applied it: on False that has to be rolled back.
    """
    return _update(
        claim,
        applied=claim.seen,
        applied_at=at,
        attempts=0,
        next_try_at=Now(),
        parked_at=None,
        last_error="",
        **ownership,
    )


def release(claim: Claim) -> bool:
    """Give an object back unread, due at once."""
    return _update(claim)


def postpone(claim: Claim, error: DomainError) -> bool:
    """The account cannot be asked now: try again later. That never parks an object."""
    pause = OUTAGE_PAUSE.after(failures=1, at_least=timedelta(seconds=error.retry_after or 0))
    return _update(claim, next_try_at=Now() + pause, last_error=error_text(error))


def fail(claim: Claim, error: Exception, *, at: datetime) -> bool:
    """Count a failed try and pause; after ``sync_attempts`` of them the object is parked."""
    attempts = claim.attempts + 1
    return _update(
        claim,
        attempts=attempts,
        next_try_at=Now() + PAUSE.after(failures=attempts),
        last_error=error_text(error),
        parked_at=at if attempts >= settings.BILLING.sync_attempts else None,
    )


def park(claim: Claim, error: Exception, *, at: datetime) -> bool:
    """Leave the object to a person; it is read again when somebody asks for it."""
    return _update(claim, next_try_at=Now(), last_error=error_text(error), parked_at=at)


def _update(claim: Claim, **values: Any) -> bool:
    """Write and let go, if the fence still stands where this claim put it."""
    rows = SyncObject.objects.all()
    return lease.release(rows, key=claim.sync_id, fence=claim.epoch, columns=COLUMNS, **values)


def _claim_due(
    limit: int, *, without: Collection[str] = (), account_id: str = "", kind: str = ""
) -> list[Claim]:
    parameters = {
        "limit": limit,
        "lease": settings.BILLING.sync_lease,
        "without": list(without),
        "account_id": account_id,
        "kind": kind,
    }
    return _claims(_run(claim_sql.CLAIM_DUE, parameters))


def _claims(rows: list[tuple[Any, ...]]) -> list[Claim]:
    accounts = StripeAccount.objects.in_bulk({row[1] for row in rows})
    return [Claim(row[0], accounts[row[1]], *row[2:]) for row in rows]


def _run(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
