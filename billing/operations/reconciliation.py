"""The third net: list everything at Stripe, compare, and read again what differs.

A pass consists of steps: each kind of object of each account, what was used of metered prices, and
the laws of our own tables (``law_checks``). It goes page by page and keeps its progress
(``reconcile_runs``), so it goes on wherever a worker died or its time ended; trouble of one step
ends only that step. Repaired is by the same sync that follows every event.

Objects that Stripe no longer knows are confirmed one by one before any of them is repaired: too
many at once stop the account's pass, and a person decides (``missing_objects``).
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
from billing.operations.reconcile_pages import Finding, code_of
from billing.operations.reconcile_steps import USAGE, Pass, ignore
from billing.operations.setup_reconciliation import SETUPS
from billing.stripe.account_pin import StripeAccountMismatch
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripePermissionMissing,
)
from billing.sync import kinds
from billing.sync.service import BudgetSpent
from common.ids import new_id
from projects.models import Project

log = structlog.get_logger(__name__)

NIGHTLY = "nightly"
EVERY = timedelta(days=1)
"""From the beginning of one nightly pass to the next."""
SLICE_SECONDS = 15.0
"""For which one step is worked on before it is the next account's turn."""
RUN_SECONDS = 45.0
"""For which one task works; the next one goes on."""


@dataclass(slots=True)
class Outcome:
    """What one pass over the accounts came to."""

    compared: int = 0
    found: int = 0
    failures: list[str] = field(default_factory=list)


def stripe_steps() -> tuple[str, ...]:
    """What is compared with Stripe for each account: owners before what they own, what use is
    counted by before what was used."""
    return (*kinds.KINDS, *SETUPS, USAGE)


def accounts(*, project: Project | None = None) -> list[StripeAccount]:
    """The accounts to compare: all that we hold a key of, or the one this project sells through."""
    every = stripe_accounts.with_key()
    if project is None:
        return every
    own = [account for account in every if account.project_id == project.pk]
    shared = [
        account for account in every if account.is_shared and account.livemode == project.livemode
    ]
    return own or shared


def begin(plan: Pass, targets: list[StripeAccount], *, laws: bool = True) -> None:
    """Start a pass over these accounts, and over our own tables, from the beginning."""
    for account in targets:
        reconcile_runs.begin(
            purpose=plan.purpose, account=account, steps=stripe_steps(), at=plan.at
        )
    if laws:
        reconcile_runs.begin(purpose=plan.purpose, account=None, steps=law_checks.LAWS, at=plan.at)


def go_on(
    plan: Pass,
    targets: list[StripeAccount],
    *,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Work on the pass for this long, or until nothing of it is due; whether it is over."""
    stop = None if seconds is None else clock() + seconds
    order = (*stripe_steps(), *law_checks.LAWS)
    while stop is None or clock() < stop:
        run = reconcile_runs.claim(purpose=plan.purpose, accounts=targets, order=order)
        if run is None:
            break
        end = clock() + SLICE_SECONDS
        _work_on(run, plan, lambda end=end: clock() >= end)  # type: ignore[misc]  # bound now
    return reconcile_runs.is_over(purpose=plan.purpose)


def run_nightly(*, at: datetime, seconds: float = RUN_SECONDS) -> Outcome:
    """Begin the pass of the day when it is due, and work on it for a while.

    Differences are repaired and logged. A pass that takes longer than a day is not begun anew.
    """
    outcome = Outcome()
    plan = _logged(Pass(purpose=NIGHTLY, at=at), outcome)
    targets = accounts()
    for account in targets:
        if reconcile_runs.is_due(purpose=NIGHTLY, account=account, before=at - EVERY):
            reconcile_runs.begin(purpose=NIGHTLY, account=account, steps=stripe_steps(), at=at)
    if reconcile_runs.is_due(purpose=NIGHTLY, account=None, before=at - EVERY):
        reconcile_runs.begin(purpose=NIGHTLY, account=None, steps=law_checks.LAWS, at=at)
    go_on(plan, targets, seconds=seconds)
    if outcome.compared:
        log.info(
            "reconciled",
            compared=outcome.compared,
            found=outcome.found,
            failures=outcome.failures[:20],
        )
    return outcome


def compare(
    *,
    account: StripeAccount,
    at: datetime,
    project: Project | None = None,
    tick: Callable[[], object] = ignore,
) -> list[Finding]:
    """Every confirmed difference of one account, without repairing any.

    Writes nothing but its own progress. Raises what could not be compared.
    """
    findings: list[Finding] = []

    def found(finding: object, error: str | None) -> None:
        if isinstance(finding, Finding):
            findings.append(finding)

    def failed(what: str, error: Exception) -> None:
        raise error

    plan = Pass(
        purpose=f"compare {new_id('run')}",
        at=at,
        repair=False,
        project=project,
        tick=tick,
        on_finding=found,
        on_failure=failed,
    )
    begin(plan, [account], laws=False)
    try:
        go_on(plan, [account])
    finally:
        reconcile_runs.forget(purpose=plan.purpose)
    return findings


def _logged(plan: Pass, outcome: Outcome) -> Pass:
    def tick() -> None:
        outcome.compared += 1

    def found(finding: object, error: str | None) -> None:
        outcome.found += 1
        log.warning("difference", finding=str(finding), not_repaired=error)
        if error is not None:
            outcome.failures.append(f"{finding}: {error}")

    def failed(what: str, error: Exception) -> None:
        code = code_of(error)
        outcome.failures.append(f"{what}: {code}")
        log.warning("not_compared", what=what, error=code)

    return Pass(purpose=plan.purpose, at=plan.at, tick=tick, on_finding=found, on_failure=failed)


def _work_on(run: ReconcileRun, plan: Pass, is_time_up: Callable[[], bool]) -> None:
    """One slice of a step. What goes wrong stays with the step."""
    try:
        while not is_time_up():
            if not reconcile_steps.one_page(run, plan=plan):
                return
        reconcile_runs.release(run)
    except BudgetSpent:
        reconcile_runs.postpone(run)  # buyers use what the account may be asked
        log.info("reconcile_postponed", account=run.account_id, step=run.step)
    except StripePermissionMissing as error:
        _fail(run, error, plan)
    except (StripeAccountMismatch, StripeCredentialsRefused) as error:
        phase = ReconcilePhase.FAILED  # the whole account's trouble: the next pass tries again
        reconcile_runs.stop_account(run, phase=phase, at=plan.at, error=error)
        plan.on_failure(str(run.account), error)
    except Exception as error:  # noqa: BLE001  # one step's trouble must not stop the others
        _fail(run, error, plan)


def _fail(run: ReconcileRun, error: Exception, plan: Pass) -> None:
    reconcile_runs.fail(run, error, at=plan.at)
    plan.on_failure(f"{run.account}: {run.step}" if run.account else run.step, error)
