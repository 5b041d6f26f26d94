"""Reconciliation: list all objects at Stripe, compare them with our rows, repair differences.

A pass consists of steps: each kind of object of each account, the usage of metered prices, and the
laws of our own tables (``law_checks``). It works page by page and saves its progress
(``reconcile_runs``), so another worker can continue it. An error of one step ends only that step.
Repairs use the same sync as events.

Objects that Stripe no longer has are confirmed one by one before the first repair. Too many of them
stop the account's pass, and an operator decides (``missing_objects``).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from billing.accounts.selectors import stripe_accounts
from billing.models import ReconcileRun, StripeAccount
from billing.models.reconcile_run import ReconcilePhase
from billing.operations import law_checks, reconcile_runs, reconcile_steps
from billing.operations.reconcile_pages import ReconcileFinding, code_of
from billing.operations.reconcile_steps import USAGE, ReconcilePass, do_nothing
from billing.operations.setup_reconciliation import SETUPS
from billing.stripe.account_pin import StripeAccountMismatch
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripePermissionMissing,
)
from billing.sync import kinds
from billing.sync.object_sync import BudgetSpent
from common.ids import new_id
from projects.models import Project

log = structlog.get_logger(__name__)

NIGHTLY = "nightly"
PASS_INTERVAL = timedelta(days=1)
"""Time from the start of one nightly pass to the start of the next."""
SLICE_SECONDS = 15.0
"""Time for one step before the next account's step."""
RUN_SECONDS = 45.0
"""Time limit of one task; the next task continues."""


@dataclass(slots=True)
class ReconcileResult:
    """Counts of one run of a pass."""

    compared: int = 0
    found: int = 0
    failures: list[str] = field(default_factory=list)


def stripe_steps() -> tuple[str, ...]:
    """Steps of each account in order: owners before their objects, meters before usage."""
    return (*kinds.KINDS, *SETUPS, USAGE)


def accounts(*, project: Project | None = None) -> list[StripeAccount]:
    """The accounts to compare: all with a key, or the one that this project sells through."""
    all_accounts = stripe_accounts.with_key()
    if project is None:
        return all_accounts
    own = [account for account in all_accounts if account.project_id == project.pk]
    shared = [
        account
        for account in all_accounts
        if account.is_shared and account.livemode == project.livemode
    ]
    return own or shared


def begin(plan: ReconcilePass, targets: list[StripeAccount], *, laws: bool = True) -> None:
    """Start a pass over these accounts, and over our own tables, from the beginning."""
    for account in targets:
        reconcile_runs.begin(
            purpose=plan.purpose, account=account, steps=stripe_steps(), at=plan.at
        )
    if laws:
        reconcile_runs.begin(purpose=plan.purpose, account=None, steps=law_checks.LAWS, at=plan.at)


def work_on(
    plan: ReconcilePass,
    targets: list[StripeAccount],
    *,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Process steps for ``seconds`` (None: until none is due); returns whether the pass is over."""
    deadline = None if seconds is None else clock() + seconds
    order = (*stripe_steps(), *law_checks.LAWS)
    while deadline is None or clock() < deadline:
        run = reconcile_runs.claim(purpose=plan.purpose, accounts=targets, order=order)
        if run is None:
            break
        slice_end = clock() + SLICE_SECONDS
        _run_slice(run, plan, lambda slice_end=slice_end: clock() >= slice_end)  # type: ignore[misc]  # bound now
    return reconcile_runs.is_over(purpose=plan.purpose)


def run_nightly(*, at: datetime, seconds: float = RUN_SECONDS) -> ReconcileResult:
    """Start the nightly pass if it is due, and work on it for ``seconds``.

    Differences are repaired and logged. A pass that takes longer than a day is not restarted.
    """
    result = ReconcileResult()
    plan = _with_log(ReconcilePass(purpose=NIGHTLY, at=at), result)
    targets = accounts()
    for account in targets:
        if reconcile_runs.is_due(purpose=NIGHTLY, account=account, before=at - PASS_INTERVAL):
            reconcile_runs.begin(purpose=NIGHTLY, account=account, steps=stripe_steps(), at=at)
    if reconcile_runs.is_due(purpose=NIGHTLY, account=None, before=at - PASS_INTERVAL):
        reconcile_runs.begin(purpose=NIGHTLY, account=None, steps=law_checks.LAWS, at=at)
    work_on(plan, targets, seconds=seconds)
    if result.compared:
        log.info(
            "reconciled",
            compared=result.compared,
            found=result.found,
            failures=result.failures[:20],
        )
    return result


def compare(
    *,
    account: StripeAccount,
    at: datetime,
    project: Project | None = None,
    tick: Callable[[], object] = do_nothing,
) -> list[ReconcileFinding]:
    """All confirmed differences of one account, without repairs.

    Writes only its own progress. Raises the error of an object that cannot be compared.
    """
    findings: list[ReconcileFinding] = []

    def on_finding(finding: object, error: str | None) -> None:
        if isinstance(finding, ReconcileFinding):
            findings.append(finding)

    def on_failure(what: str, error: Exception) -> None:
        raise error

    plan = ReconcilePass(
        purpose=f"compare {new_id('run')}",
        at=at,
        repair=False,
        project=project,
        tick=tick,
        on_finding=on_finding,
        on_failure=on_failure,
    )
    begin(plan, [account], laws=False)
    try:
        work_on(plan, [account])
    finally:
        reconcile_runs.forget(purpose=plan.purpose)
    return findings


def _with_log(plan: ReconcilePass, result: ReconcileResult) -> ReconcilePass:
    def tick() -> None:
        result.compared += 1

    def on_finding(finding: object, error: str | None) -> None:
        result.found += 1
        log.warning("difference", finding=str(finding), not_repaired=error)
        if error is not None:
            result.failures.append(f"{finding}: {error}")

    def on_failure(what: str, error: Exception) -> None:
        code = code_of(error)
        result.failures.append(f"{what}: {code}")
        log.warning("not_compared", what=what, error=code)

    return ReconcilePass(
        purpose=plan.purpose, at=plan.at, tick=tick, on_finding=on_finding, on_failure=on_failure
    )


def _run_slice(run: ReconcileRun, plan: ReconcilePass, is_time_up: Callable[[], bool]) -> None:
    """Process a step for one slice of time. An error is stored with the step."""
    try:
        while not is_time_up():
            if not reconcile_steps.process_page(run, plan=plan):
                return
        reconcile_runs.release(run)
    except BudgetSpent:
        reconcile_runs.postpone(run)  # buyers use the account's request budget
        log.info("reconcile_postponed", account=run.account_id, step=run.step)
    except StripePermissionMissing as error:
        _fail(run, error, plan)
    except (StripeAccountMismatch, StripeCredentialsRefused) as error:
        phase = ReconcilePhase.FAILED  # it concerns the whole account: the next pass tries again
        reconcile_runs.stop_account(run, phase=phase, at=plan.at, error=error)
        plan.on_failure(str(run.account), error)
    except Exception as error:  # noqa: BLE001  # the error of one step must not stop the others
        _fail(run, error, plan)


def _fail(run: ReconcileRun, error: Exception, plan: ReconcilePass) -> None:
    reconcile_runs.fail(run, error, at=plan.at)
    plan.on_failure(f"{run.account}: {run.step}" if run.account else run.step, error)
