"""Progress of reconciliation: which step of which account is next, and how far it has come.

Progress is kept after every page. A step belongs to whoever holds its lease; a worker that dies
loses it after a minute, and the next one goes on behind the last page.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from billing.models import ReconcileRun, ReconcileSighting, StripeAccount
from billing.models.reconcile_run import ReconcilePhase
from billing.operations.selectors import reconcile_runs
from common.fair_queue import said

LEASE = timedelta(minutes=2)
"""Longer than one page and the repairs of its differences take."""
FIRST_PAUSE = timedelta(minutes=1)
"""Before a failing step is tried again; each further pause is five times as long."""
MAX_ATTEMPTS = 4
"""Failures in a row after which a step waits for the next pass."""


def begin(
    *, purpose: str, account: StripeAccount | None, steps: Iterable[str], at: datetime
) -> None:
    """Start these steps from the beginning."""
    with transaction.atomic():
        ReconcileSighting.objects.filter(run__purpose=purpose, run__account=account).delete()
        ReconcileRun.objects.filter(purpose=purpose, account=account).delete()
        ReconcileRun.objects.bulk_create(
            [
                ReconcileRun(
                    purpose=purpose,
                    account=account,
                    step=step,
                    phase=ReconcilePhase.LISTING,
                    started_at=at,
                    touched_at=Now(),
                    next_try_at=Now(),
                )
                for step in steps
            ],
            ignore_conflicts=True,
        )


def is_due(*, purpose: str, account: StripeAccount | None, before: datetime) -> bool:
    """Whether every step is over, or none was begun, and the last pass began before that."""
    rows = ReconcileRun.objects.filter(purpose=purpose, account=account)
    return not rows.filter(Q(finished_at__isnull=True) | Q(started_at__gt=before)).exists()


def claim(
    *, purpose: str, accounts: Collection[StripeAccount], order: Collection[str]
) -> ReconcileRun | None:
    """Take the next step: of the account whose turn was longest ago, its first open one.

    None when nothing is due.
    """
    with transaction.atomic():
        rows = reconcile_runs.lock_due(purpose=purpose, accounts=accounts)
        if not rows:
            return None
        rank = {step: number for number, step in enumerate(order)}
        turn: dict[str | None, datetime] = {}
        for row in rows:
            turn[row.account_id] = max(turn.get(row.account_id, row.touched_at), row.touched_at)
        first = min(rows, key=lambda row: (turn[row.account_id], rank.get(row.step, len(rank))))
        ReconcileRun.objects.filter(pk=first.pk).update(
            leased_until=Now() + LEASE, touched_at=Now()
        )
    return first


def is_over(*, purpose: str) -> bool:
    return not ReconcileRun.objects.filter(purpose=purpose, finished_at__isnull=True).exists()


def keep(run: ReconcileRun, *, seen: Iterable[str] = (), **values: object) -> None:
    """Record how far the step has come, and what the page named, and go on holding it."""
    for name, value in values.items():
        setattr(run, name, value)
    with transaction.atomic():
        ReconcileSighting.objects.bulk_create(
            [ReconcileSighting(run=run, stripe_id=each) for each in seen if each],
            ignore_conflicts=True,
        )
        ReconcileRun.objects.filter(pk=run.pk).update(
            phase=run.phase,
            after=run.after,
            compared=run.compared,
            found=run.found,
            failed=run.failed,
            attempts=0,
            leased_until=Now() + LEASE,
            touched_at=Now(),
        )


def release(run: ReconcileRun) -> None:
    """Let others go on with the step."""
    ReconcileRun.objects.filter(pk=run.pk).update(leased_until=None, touched_at=Now())


def finish(run: ReconcileRun, phase: ReconcilePhase, *, at: datetime, error: str = "") -> None:
    """The step is over in this pass."""
    ReconcileSighting.objects.filter(run=run).delete()
    ReconcileRun.objects.filter(pk=run.pk).update(
        phase=phase,
        compared=run.compared,
        found=run.found,
        failed=run.failed,
        finished_at=at,
        leased_until=None,
        touched_at=Now(),
        last_error=error,
    )


def stop_account(
    run: ReconcileRun, *, phase: ReconcilePhase, at: datetime, error: Exception
) -> None:
    """Nothing more of this account is compared in this pass."""
    rows = ReconcileRun.objects.filter(purpose=run.purpose, account=run.account_id)
    ReconcileSighting.objects.filter(run__in=rows).delete()
    rows.filter(finished_at__isnull=True).update(
        phase=phase, finished_at=at, leased_until=None, last_error=said(error)
    )


def fail(run: ReconcileRun, error: Exception, *, at: datetime) -> bool:
    """Try the step again later, and give up after some tries; whether it was given up."""
    attempts = run.attempts + 1
    run.attempts = attempts
    if attempts >= MAX_ATTEMPTS:
        finish(run, ReconcilePhase.FAILED, at=at, error=said(error))
        return True
    ReconcileRun.objects.filter(pk=run.pk).update(
        attempts=attempts,
        next_try_at=Now() + FIRST_PAUSE * 5 ** (attempts - 1),
        leased_until=None,
        last_error=said(error),
    )
    return False


def postpone(run: ReconcileRun) -> None:
    """Go on with the step later, behind its last page: nothing is wrong with it."""
    ReconcileRun.objects.filter(pk=run.pk).update(
        next_try_at=Now() + FIRST_PAUSE, leased_until=None, touched_at=Now()
    )


def forget(*, purpose: str) -> None:
    ReconcileRun.objects.filter(purpose=purpose).delete()
