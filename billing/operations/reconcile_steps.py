"""The pages of a reconciliation pass: one of a kind, of metered usage, or of a law of ours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import structlog

from billing.models import ReconcileRun, StripeAccount
from billing.models.reconcile_run import ReconcilePhase
from billing.operations import (
    law_checks,
    reconcile_pages,
    reconcile_runs,
    setup_reconciliation,
    usage_reconciliation,
)
from billing.operations.reconcile_pages import Finding, OnFailure, Scope
from billing.operations.setup_reconciliation import SETUPS, SetupPass
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing
from billing.stripe.fields import PAGE
from billing.sync import kinds, missing_objects
from billing.sync import service as sync
from projects.models import Project

log = structlog.get_logger(__name__)

USAGE = "usage"
"""The step that compares what Stripe has counted of metered prices."""


def ignore(*anything: object) -> None:
    """Accept what is told and do nothing with it."""


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
    tick: Callable[[], object] = ignore
    on_finding: Callable[[object, str | None], object] = ignore
    on_failure: OnFailure = ignore


def one_page(run: ReconcileRun, *, plan: Pass) -> bool:
    """Whether the step goes on behind this page."""
    if run.account is None:
        return _law_page(run, plan)
    if run.step == USAGE:
        return _usage(run, run.account, plan)
    if run.step in SETUPS:
        return _setup_page(run, run.account, plan)
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
        finding = reconcile_pages.confirm(scope, stripe_id, on_failure=plan.on_failure)
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
        finding = reconcile_pages.confirm(scope, stripe_id, on_failure=plan.on_failure)
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
    page = usage_reconciliation.compare_page(
        account=account,
        project=plan.project,
        at=plan.at,
        on_failure=plan.on_failure,
        after=run.after,
    )
    shown = "look at the usage that Stripe refused" if plan.repair else None
    for difference in page.differences:
        run.found += 1
        run.failed += 1
        plan.on_finding(difference, shown)
    return _end_page(run, plan, checked=page.checked, after=page.after)


def _setup_page(run: ReconcileRun, account: StripeAccount, plan: Pass) -> bool:
    setup_pass = SetupPass(
        setup=SETUPS[run.step],
        account=account,
        at=plan.at,
        repair=plan.repair,
        project=plan.project,
        tick=plan.tick,
        on_finding=plan.on_finding,
        on_failure=plan.on_failure,
    )
    return setup_reconciliation.compare_page(run, setup_pass)


def _law_page(run: ReconcileRun, plan: Pass) -> bool:
    page = law_checks.check_page(
        run.step, after=run.after, at=plan.at, repair=plan.repair, project=plan.project
    )
    for violation in page.violations:
        run.found += 1
        run.failed += violation.error is not None
        plan.on_finding(violation, violation.error)
    return _end_page(run, plan, checked=page.checked, after=page.after)


def _end_page(run: ReconcileRun, plan: Pass, *, checked: int, after: str) -> bool:
    """Keep what the page came to; whether another one follows."""
    for _ in range(checked):
        run.compared += 1
        plan.tick()
    if not after:
        reconcile_runs.finish(run, ReconcilePhase.FINISHED, at=plan.at)
        return False
    reconcile_runs.keep(run, after=after)
    return True
