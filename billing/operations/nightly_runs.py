"""The nightly passes as rows of the history: one for each account, and one for our own tables."""

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from billing.models import ReconcileRun, Reconciliation, StripeAccount
from billing.operations import reconcile_runs, reconciliation_control
from billing.operations.drift_reports import DriftSource
from billing.operations.selectors import reconciliations
from billing.operations.selectors.reconciliations import NIGHTLY
from billing.sync.selectors import missing_objects

ACTOR = "nightly"


def begin(*, account: StripeAccount | None, steps: Iterable[str], at: datetime) -> bool:
    """Start the pass of the account, or of our own tables. False while a requested reconciliation
    of the whole account is not over: the pass is due again a minute later."""
    try:
        with transaction.atomic():
            if account is not None:
                missing_objects.lock(account.pk)  # a request at the same moment sees this one
            Reconciliation.objects.create(
                purpose=NIGHTLY,
                account=account,
                project=account.project if account is not None else None,
                started_by=ACTOR,
                started_at=at,
            )
            reconcile_runs.begin(purpose=NIGHTLY, account=account, steps=steps, at=at)
    except IntegrityError:
        return False
    return True


def source_of(run: ReconcileRun) -> DriftSource:
    """The history row of this step; none if an older version of Tollgate began the pass."""
    row = Reconciliation.objects.filter(
        purpose=NIGHTLY, account=run.account_id, started_at=run.started_at
    ).first()
    return DriftSource(run_id=row.pk if row is not None else None)


def end_finished(*, at: datetime) -> None:
    """Store the figures of the passes that have no open step."""
    for row in reconciliations.unfinished_nightly():
        reconciliation_control.end_if_over(row, at=at)
