"""Progress of reconciliation: the steps of each account and the cursor of each step.

Progress is saved after every page. A worker holds a lease on its step; when it dies the lease
expires and the next worker continues after the last page.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from billing.models import ReconcileRun, ReconcileSighting, StripeAccount
from billing.models.reconcile_run import ReconcilePhase
from billing.operations import reconcile_sql
from billing.operations.selectors import reconcile_runs
from common import prepared_statements
from common.logs import error_text
from common.retry_pause import RetryPause

LEASE = timedelta(minutes=2)
"""Longer than one page and the repairs of its differences take."""
PAUSE = RetryPause(first=timedelta(minutes=1), factor=5)
"""Pause before a failed step is tried again."""
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
    """Whether no step is open and the last pass, if any, began before ``before``."""
    rows = ReconcileRun.objects.filter(purpose=purpose, account=account)
    return not rows.filter(Q(finished_at__isnull=True) | Q(started_at__gt=before)).exists()


def claim(
    *,
    purpose: str,
    accounts: Collection[StripeAccount],
    order: Collection[str],
    laws: bool = True,
) -> ReconcileRun | None:
    """Lease the next step: the first open one of the account that waited longest.

    ``laws`` says whether to check our own tables too. None when nothing is due.
    """
    claimed = prepared_statements.fetch_row(
        reconcile_sql.CLAIM,
        {
            "purpose": purpose,
            "account_ids": [account.pk for account in accounts],
            "steps": list(order),
            "lease": LEASE,
            "laws": laws,
        },
    )
    return None if claimed is None else reconcile_runs.find(claimed[0])


def is_over(*, purpose: str) -> bool:
    return not ReconcileRun.objects.filter(purpose=purpose, finished_at__isnull=True).exists()


def save_progress(run: ReconcileRun, *, listed_ids: Iterable[str] = (), **values: object) -> None:
    """Save the step's progress and the ids of its page, and renew the lease."""
    for name, value in values.items():
        setattr(run, name, value)
    prepared_statements.fetch_rows(
        reconcile_sql.SAVE_PROGRESS,
        {
            **_result(run, run.phase),
            "after": run.after,
            "lease": LEASE,
            "listed_ids": [stripe_id for stripe_id in listed_ids if stripe_id],
        },
    )


def release(run: ReconcileRun) -> None:
    """Give the lease up, so that another worker can continue the step."""
    ReconcileRun.objects.filter(pk=run.pk).update(leased_until=None, touched_at=Now())


def finish(run: ReconcileRun, phase: ReconcilePhase, *, at: datetime, error: str = "") -> None:
    """End the step in this pass."""
    prepared_statements.fetch_rows(
        reconcile_sql.FINISH, {**_result(run, phase), "finished_at": at, "error": error}
    )


def _result(run: ReconcileRun, phase: str) -> dict[str, object]:
    """The phase and counts of a step as parameters of a statement."""
    return {
        "run_id": run.pk,
        "phase": str(phase),
        "compared": run.compared,
        "found": run.found,
        "failed": run.failed,
    }


def stop_account(
    run: ReconcileRun, *, phase: ReconcilePhase, at: datetime, error: Exception
) -> None:
    """End all open steps of this account in this pass."""
    rows = ReconcileRun.objects.filter(purpose=run.purpose, account=run.account_id)
    ReconcileSighting.objects.filter(run__in=rows).delete()
    rows.filter(finished_at__isnull=True).update(
        phase=phase, finished_at=at, leased_until=None, last_error=error_text(error)
    )


def fail(run: ReconcileRun, error: Exception, *, at: datetime) -> bool:
    """Schedule another attempt, or end the step after MAX_ATTEMPTS; returns whether it ended."""
    attempts = run.attempts + 1
    run.attempts = attempts
    if attempts >= MAX_ATTEMPTS:
        finish(run, ReconcilePhase.FAILED, at=at, error=error_text(error))
        return True
    ReconcileRun.objects.filter(pk=run.pk).update(
        attempts=attempts,
        next_try_at=Now() + PAUSE.after(failures=attempts),
        leased_until=None,
        last_error=error_text(error),
    )
    return False


def postpone(run: ReconcileRun) -> None:
    """Continue the step later, after its last page; this is not a failure."""
    ReconcileRun.objects.filter(pk=run.pk).update(
        next_try_at=Now() + PAUSE.first, leased_until=None, touched_at=Now()
    )


def forget(*, purpose: str) -> None:
    """Delete all steps of this purpose."""
    ReconcileRun.objects.filter(purpose=purpose).delete()
