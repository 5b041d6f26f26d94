"""The third net: list everything at Stripe, compare, and read again what differs.

A pass consists of steps: each kind of object of each account, what was used of metered prices, and
the laws of our own tables (``law_checks``). It goes page by page and keeps its progress
(``reconcile_runs``), so it goes on wherever a worker died or its time ended; trouble of one step
ends only that step. Repaired is by the same sync that follows every event.

Objects that Stripe no longer knows are confirmed one by one before any of them is repaired: too
many at once stop the account's pass, and a person decides (``missing_objects``).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from billing.models import ReconcileRun, StripeAccount
from billing.models.reconcile_run import ReconcilePhase
from billing.selectors import stripe_accounts
from billing.services import (
    law_checks,
    missing_objects,
    reconcile_pages,
    reconcile_runs,
    sync,
    usage_reconciliation,
)
from billing.services.apply import kinds
from billing.services.reconcile_pages import Finding, OnFailure, Scope
from billing.stripe.account_pin import StripeAccountMismatch
from billing.stripe.client import client_for
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripeObjectMissing,
    StripePermissionMissing,
)
from billing.stripe.fields import PAGE
from common.ids import new_id
from projects.models import Project

log = structlog.get_logger(__name__)

NIGHTLY = "nightly"
EVERY = timedelta(days=1)
"""From the beginning of one nightly pass to the next."""
USAGE = "usage"
STRIPE_STEPS = (*kinds.KINDS, USAGE)
"""Owners before what they own."""
SLICE_SECONDS = 15.0
"""For which one step is worked on before it is the next account's turn."""
RUN_SECONDS = 45.0
"""For which one task works; the next one goes on."""


def _ignore(*anything: object) -> None:
    """What nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What is compared, whether it is repaired, and who is told of what is found.

    ``tick`` is called for each object looked at; ``on_finding`` for each confirmed difference with
    the error of its repair (None when it was repaired, or is not to be); ``on_failure`` with what
    could not be compared.
    """

    purpose: str
    at: datetime
    repair: bool = True
    project: Project | None = None
    tick: Callable[[], object] = _ignore
    on_finding: Callable[[object, str | None], object] = _ignore
    on_failure: OnFailure = _ignore


@dataclass(slots=True)
class Outcome:
    """What one pass over the accounts came to."""

    compared: int = 0
    found: int = 0
    failures: list[str] = field(default_factory=list)


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
        reconcile_runs.begin(purpose=plan.purpose, account=account, steps=STRIPE_STEPS, at=plan.at)
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
    order = (*STRIPE_STEPS, *law_checks.LAWS)
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
            reconcile_runs.begin(purpose=NIGHTLY, account=account, steps=STRIPE_STEPS, at=at)
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
    tick: Callable[[], object] = _ignore,
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
        code = reconcile_pages.code_of(error)
        outcome.failures.append(f"{what}: {code}")
        log.warning("not_compared", what=what, error=code)

    return Pass(purpose=plan.purpose, at=plan.at, tick=tick, on_finding=found, on_failure=failed)


def _work_on(run: ReconcileRun, plan: Pass, is_time_up: Callable[[], bool]) -> None:
    """One slice of a step. What goes wrong stays with the step."""
    try:
        while not is_time_up():
            if not _one_page(run, plan):
                return
        reconcile_runs.release(run)
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


def _one_page(run: ReconcileRun, plan: Pass) -> bool:
    """Whether the step goes on behind this page."""
    if run.account is None:
        return _law_page(run, plan)
    if run.step == USAGE:
        return _usage(run, run.account, plan)
    scope = Scope(
        account=run.account, mirrored=kinds.of(run.step), at=plan.at, project=plan.project
    )
    client_for(run.account)  # refuses a key of another account before anything is compared
    if run.phase == ReconcilePhase.LISTING:
        _listed_page(run, scope, plan)
        return True
    return _unlisted(run, scope, plan)


def _listed_page(run: ReconcileRun, scope: Scope, plan: Pass) -> None:
    try:
        page = reconcile_pages.read(scope, after=run.after)
    except StripeObjectMissing:
        if not run.after:
            raise
        reconcile_runs.keep(run, after="")  # that object was deleted meanwhile
        return
    for stripe_id in reconcile_pages.differing(scope, page):
        finding = reconcile_pages.confirm(scope, stripe_id, plan.on_failure)
        if finding is not None:
            _settle(run, finding, plan)
    ids = [each.stripe_id for each in page]
    if plan.repair:
        missing_objects.note_found(account=scope.account, kind=run.step, stripe_ids=ids)
    for _ in page:
        run.compared += 1
        plan.tick()
    if len(page) == PAGE and ids[-1]:
        reconcile_runs.keep(run, seen=ids, after=ids[-1])
    else:
        reconcile_runs.keep(run, seen=ids, after="", phase=ReconcilePhase.UNLISTED)


def _unlisted(run: ReconcileRun, scope: Scope, plan: Pass) -> bool:
    """Rows that the list did not name: read alone, all before the first of them is repaired.

    Too many that Stripe does not know stop the pass of the account.
    """
    missing: list[Finding] = []
    for stripe_id in _unlisted_ids(run, scope, plan):
        finding = reconcile_pages.confirm(scope, stripe_id, plan.on_failure)
        if finding is not None and finding.is_missing and plan.repair:
            missing.append(finding)
            if len(missing) > missing_objects.limit(scope.account):
                _stop(run, scope, missing, plan)
                return False
        elif finding is not None:
            _settle(run, finding, plan)
    for finding in missing:
        _settle(run, finding, plan)
    reconcile_runs.finish(run, ReconcilePhase.FINISHED, at=plan.at)
    return False


def _unlisted_ids(run: ReconcileRun, scope: Scope, plan: Pass) -> Iterator[str]:
    after = ""
    while page := reconcile_pages.unlisted(run, scope, after=after):
        after = page[-1]
        for _ in page:
            run.compared += 1
            plan.tick()
        ending = reconcile_pages.ending(scope, page)
        asked = missing_objects.asked_about(account=scope.account, kind=run.step, stripe_ids=ending)
        yield from (stripe_id for stripe_id in ending if stripe_id not in asked)
        reconcile_runs.keep(run)


def _stop(run: ReconcileRun, scope: Scope, missing: list[Finding], plan: Pass) -> None:
    ids = [finding.stripe_id for finding in missing]
    missing_objects.stop(account=scope.account, kind=run.step, stripe_ids=ids, at=plan.at)
    for finding in missing:
        run.found += 1
        plan.on_finding(finding, "too many objects are missing: decide in the console")
    reconcile_runs.keep(run)
    reconcile_runs.stop_account(
        run, phase=ReconcilePhase.STOPPED, at=plan.at, error=missing_objects.TooManyMissing()
    )
    log.error("reconcile_stopped", account=scope.account.pk, step=run.step, missing=len(ids))


def _settle(run: ReconcileRun, finding: Finding, plan: Pass) -> None:
    """Repair the difference if that is asked for, and tell of it."""
    run.found += 1
    error = _try_repair(finding, plan.at) if plan.repair else None
    run.failed += error is not None
    plan.on_finding(finding, error)


def repair(*, finding: Finding, at: datetime) -> None:
    """Read the object again and apply it. Raises what :func:`sync.now` does."""
    sync.now(account=finding.account, kind=finding.kind, stripe_id=finding.stripe_id, at=at)


def _try_repair(finding: Finding, at: datetime) -> str | None:
    """What went wrong, which stays with the object."""
    try:
        repair(finding=finding, at=at)
    except Exception as error:  # noqa: BLE001  # its sync row keeps it; the others go on
        return type(error).__name__
    return None


def _usage(run: ReconcileRun, account: StripeAccount, plan: Pass) -> bool:
    """What Stripe has counted of metered prices; a difference is for a person."""

    def on_item(pk: str) -> None:
        run.compared += 1
        reconcile_runs.keep(run, after=pk)

    differences = usage_reconciliation.compare(
        account=account,
        project=plan.project,
        at=plan.at,
        tick=plan.tick,
        on_failure=plan.on_failure,
        after=run.after,
        on_item=on_item,
    )
    for difference in differences:
        run.found += 1
        run.failed += 1
        shown = "look at the usage that Stripe refused" if plan.repair else None
        plan.on_finding(difference, shown)
    reconcile_runs.finish(run, ReconcilePhase.FINISHED, at=plan.at)
    return False


def _law_page(run: ReconcileRun, plan: Pass) -> bool:
    page = law_checks.check_page(
        run.step, after=run.after, at=plan.at, repair=plan.repair, project=plan.project
    )
    for violation in page.violations:
        run.found += 1
        run.failed += violation.error is not None
        plan.on_finding(violation, violation.error)
    for _ in range(page.checked):
        run.compared += 1
        plan.tick()
    if not page.after:
        reconcile_runs.finish(run, ReconcilePhase.FINISHED, at=plan.at)
        return False
    reconcile_runs.keep(run, after=page.after)
    return True
