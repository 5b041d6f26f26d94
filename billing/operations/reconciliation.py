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
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from billing.models import ReconcileRun, StripeAccount
from billing.models.reconcile_run import ReconcilePhase
from billing.operations import (
    drift_metrics,
    heal_policies,
    law_checks,
    nightly_runs,
    reconcile_runs,
    reconcile_steps,
)
from billing.operations.reconcile_kinds import stripe_steps
from billing.operations.reconcile_pages import ReconcileFinding, code_of
from billing.operations.reconcile_pass import ReconcilePass, do_nothing
from billing.operations.selectors import reconciliations
from billing.operations.selectors.reconciliations import NIGHTLY
from billing.operations.stripe_targets import accounts
from billing.stripe.account_pin import StripeAccountMismatch
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripePermissionMissing,
)
from billing.sync.object_sync import BudgetSpent
from common.ids import new_id
from projects.models import Project

log = structlog.get_logger(__name__)

LAW_STEPS = list(law_checks.LAWS)
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
    not_compared: int = 0
    failures: list[str] = field(default_factory=list)


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
    laws: bool = True,
) -> bool:
    """Process steps for ``seconds`` (None: until none is due); returns whether the pass is over.

    ``laws`` says whether our own tables have their turn too.
    """
    deadline = None if seconds is None else clock() + seconds
    while deadline is None or clock() < deadline:
        if not work_on_step(plan, targets, clock=clock, laws=laws):
            break
    return reconcile_runs.is_over(purpose=plan.purpose)


def work_on_step(
    plan: ReconcilePass,
    targets: list[StripeAccount],
    *,
    clock: Callable[[], float] = time.monotonic,
    laws: bool = True,
    seconds: float = SLICE_SECONDS,
) -> bool:
    """Process the next due step for one slice of ``seconds``; False if none is due."""
    order = (*stripe_steps(), *law_checks.LAWS)
    run = reconcile_runs.claim(purpose=plan.purpose, accounts=targets, order=order, laws=laws)
    if run is None:
        return False
    slice_end = clock() + seconds
    source = nightly_runs.source_of(run) if plan.purpose == NIGHTLY else plan.source
    _run_slice(run, replace(plan, source=source), lambda: clock() >= slice_end)
    return True


def run_nightly(*, at: datetime, seconds: float = RUN_SECONDS) -> ReconcileResult:
    """Start the nightly pass if it is due, and work on it for ``seconds``.

    Differences are treated as their heal policies say, reported and logged. A pass that takes
    longer than a day is not restarted. An account waits while another reconciliation has its turn.
    """
    result = ReconcileResult()
    policies = heal_policies.current()
    plan = with_log(ReconcilePass(purpose=NIGHTLY, at=at, policies=policies), result)
    targets = accounts()
    for account, steps in (*((account, stripe_steps()) for account in targets), (None, LAW_STEPS)):
        if reconcile_runs.is_due(purpose=NIGHTLY, account=account, before=at - PASS_INTERVAL):
            nightly_runs.begin(account=account, steps=steps, at=at)
    waiting = reconciliations.account_ids_of_others()
    work_on(
        plan,
        [account for account in targets if account.pk not in waiting],
        seconds=seconds,
        laws="" not in waiting,
    )
    nightly_runs.end_finished(at=at)
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


def with_log(plan: ReconcilePass, result: ReconcileResult) -> ReconcilePass:
    """The pass with callbacks that count and log, and a stop when its reconciliation is halted."""

    def tick() -> None:
        result.compared += 1

    def on_finding(finding: object, error: str | None) -> None:
        result.found += 1
        drift_metrics.record(drift_metrics.OPEN if error else drift_metrics.HEALED)
        log.warning("difference", finding=str(finding), not_repaired=error)
        if error is not None:
            result.failures.append(f"{finding}: {error}")

    def on_failure(what: str, error: Exception) -> None:
        code = code_of(error)
        result.not_compared += 1
        drift_metrics.record(drift_metrics.NOT_COMPARED)
        result.failures.append(f"{what}: {code}")
        log.warning("not_compared", what=what, error=code)

    return replace(
        plan,
        tick=tick,
        on_finding=on_finding,
        on_failure=on_failure,
        may_continue=lambda run: not reconciliations.is_halted(run),
    )


def _run_slice(run: ReconcileRun, plan: ReconcilePass, is_time_up: Callable[[], bool]) -> None:
    """Process a step for one slice of time. An error is stored with the step."""
    try:
        while not is_time_up() and plan.may_continue(run):
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
