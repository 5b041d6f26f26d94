"""Process one page of a reconciliation step: of a Stripe list, of metered usage, or of a law."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

import structlog

from billing.models import ReconcileRun, StripeAccount
from billing.models.drift_report import DriftState, HealPolicy
from billing.models.missing_object import MissingReason
from billing.models.reconcile_run import ReconcilePhase
from billing.operations import (
    drift_drafts,
    law_checks,
    reconcile_pages,
    reconcile_pass,
    reconcile_runs,
    setup_reconciliation,
    usage_reconciliation,
)
from billing.operations.law_pages import LawViolation
from billing.operations.reconcile_kinds import USAGE
from billing.operations.reconcile_pages import ReconcileFinding, ReconcileScope
from billing.operations.reconcile_pass import ReconcilePass, Repair
from billing.operations.setup_reconciliation import SETUPS, SetupDifference, SetupPass
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing
from billing.stripe.fields import PAGE
from billing.sync import kinds, missing_objects
from billing.sync import service as sync
from billing.sync.missing_objects import StripeObjectVanished

log = structlog.get_logger(__name__)


def process_page(run: ReconcileRun, *, plan: ReconcilePass) -> bool:
    """Process the next page of the step; returns whether more pages follow.

    After the last page, earlier reports of objects that no longer differ are closed.
    """
    if _process(run, plan):
        return True
    run.refresh_from_db(fields=["phase"])
    if run.phase == ReconcilePhase.FINISHED:
        plan.close_unseen(run)
    return False


def _process(run: ReconcileRun, plan: ReconcilePass) -> bool:
    if run.account is None:
        return _law_page(run, plan)
    if run.step == USAGE:
        return _usage_page(run, run.account, plan)
    if run.step in SETUPS:
        return _setup_page(run, run.account, plan)
    scope = ReconcileScope(
        account=run.account, mirrored=kinds.of(run.step), at=plan.at, project=plan.project
    )
    client_for(run.account)  # refuses a key of another account before anything is compared
    if run.phase == ReconcilePhase.LISTING:
        _listed_page(run, scope, plan)
        return True
    return _unlisted_page(run, scope, plan)


def _listed_page(run: ReconcileRun, scope: ReconcileScope, plan: ReconcilePass) -> None:
    try:
        page = reconcile_pages.read_page(scope, after=run.after)
    except StripeObjectMissing:
        if not run.after:
            raise
        reconcile_runs.save_progress(run, after="")  # the cursor's object was deleted meanwhile
        return
    for stripe_id in reconcile_pages.find_differing(scope, page):
        finding = reconcile_pages.confirm(scope, stripe_id, on_failure=plan.on_failure)
        if finding is not None:
            _report_and_repair(run, finding, plan)
    ids = [listed.stripe_id for listed in page]
    if plan.repair:
        missing_objects.note_found(account=scope.account, kind=run.step, stripe_ids=ids)
    run.compared += reconcile_pages.count_visible(scope, page)
    for _ in page:
        plan.tick()
    if len(page) == PAGE and ids[-1]:
        reconcile_runs.save_progress(run, listed_ids=ids, after=ids[-1])
    else:
        reconcile_runs.save_progress(run, listed_ids=ids, after="", phase=ReconcilePhase.UNLISTED)


def _unlisted_page(run: ReconcileRun, scope: ReconcileScope, plan: ReconcilePass) -> bool:
    """Confirm rows that the list did not contain, all of them before the first repair.

    Too many objects that Stripe does not have stop the pass of this account.
    """
    missing: list[ReconcileFinding] = []
    for stripe_id in _unlisted_ids(run, scope, plan):
        finding = reconcile_pages.confirm(scope, stripe_id, on_failure=plan.on_failure)
        if finding is not None and finding.is_missing and _is_decided(finding, plan):
            missing.append(finding)
            if len(missing) > missing_objects.limit(scope.account):
                _stop(run, scope, missing, plan)
                return False
        elif finding is not None:
            _report_and_repair(run, finding, plan)
    for finding in missing:
        _report_and_repair(run, finding, plan)
    reconcile_runs.finish(run, ReconcilePhase.FINISHED, at=plan.at)
    return False


def _unlisted_ids(run: ReconcileRun, scope: ReconcileScope, plan: ReconcilePass) -> Iterator[str]:
    after = ""
    while page := reconcile_pages.find_unlisted(run, scope, after=after):
        after = page[-1]
        for _ in page:
            run.compared += 1
            plan.tick()
        affected = reconcile_pages.find_affected_by_removal(scope, page)
        undecided = missing_objects.awaiting_decision(
            account=scope.account, kind=run.step, stripe_ids=affected
        )
        plan.keep_open(run, undecided)
        yield from (stripe_id for stripe_id in affected if stripe_id not in undecided)
        reconcile_runs.save_progress(run)


def _stop(
    run: ReconcileRun, scope: ReconcileScope, missing: list[ReconcileFinding], plan: ReconcilePass
) -> None:
    ids = [finding.stripe_id for finding in missing]
    missing_objects.stop(account=scope.account, kind=run.step, stripe_ids=ids, at=plan.at)
    for finding in missing:
        run.found += 1
        plan.record(drift_drafts.of_object(finding), DriftState.PARKED)
        plan.on_finding(finding, "too many objects are missing: decide in the console")
    reconcile_runs.save_progress(run)
    reconcile_runs.stop_account(
        run, phase=ReconcilePhase.STOPPED, at=plan.at, error=missing_objects.TooManyMissing()
    )
    log.error("reconcile_stopped", account=scope.account.pk, step=run.step, missing=len(ids))


def _report_and_repair(run: ReconcileRun, finding: ReconcileFinding, plan: ReconcilePass) -> None:
    """Store the difference, repair it if its policy says so, and call ``on_finding``."""
    try_repair: Repair = partial(_try_repair, finding, plan.at)
    park: Repair = partial(_park_missing, finding, plan.at) if finding.is_missing else _park
    draft = drift_drafts.of_object(finding)
    reconcile_pass.handle(
        run, finding=finding, draft=draft, plan=plan, repair=try_repair, park=park
    )


def _is_decided(finding: ReconcileFinding, plan: ReconcilePass) -> bool:
    """Whether the pass repairs or parks the difference, and does not only report it."""
    return plan.policy_of(drift_drafts.class_of_object(finding)) != HealPolicy.REPORT


def _park() -> str:
    return reconcile_pass.PARKED


def _park_missing(finding: ReconcileFinding, at: datetime) -> str | None:
    """Leave the decision about our row to an operator (*Missing objects*)."""
    if not finding.can_be_deleted:
        return _try_repair(finding, at)  # parks it, unless we have deleted it ourselves
    missing_objects.stop(
        account=finding.account,
        kind=finding.kind,
        stripe_ids=[finding.stripe_id],
        at=at,
        because=MissingReason.POLICY,
    )
    return StripeObjectVanished.__name__


def repair(*, finding: ReconcileFinding, at: datetime) -> None:
    """Read the object again and apply it. Raises the errors of :func:`sync.now`."""
    sync.now(account=finding.account, kind=finding.kind, stripe_id=finding.stripe_id, at=at)


def _try_repair(finding: ReconcileFinding, at: datetime) -> str | None:
    """Repair; returns the name of the error, which is stored with the object too."""
    try:
        repair(finding=finding, at=at)
    except Exception as error:  # noqa: BLE001  # stored with its sync row; other objects continue
        return type(error).__name__
    return None


def _usage_page(run: ReconcileRun, account: StripeAccount, plan: ReconcilePass) -> bool:
    """Compare Stripe's counts for metered prices. Differences are not repaired."""
    page = usage_reconciliation.compare_page(
        account=account,
        project=plan.project,
        at=plan.at,
        on_failure=plan.on_failure,
        after=run.after,
    )
    for difference in page.differences:
        draft = drift_drafts.of_usage(difference, account_id=account.pk, kind=run.step)
        reconcile_pass.handle(
            run,
            finding=difference,
            draft=draft,
            plan=plan,
            repair=_check_refusals,
            park=_check_refusals,
        )
    return _end_page(run, plan, checked=page.checked, after=page.after)


def _check_refusals() -> str:
    return "check the usage that Stripe refused"


def _setup_page(run: ReconcileRun, account: StripeAccount, plan: ReconcilePass) -> bool:
    def on_difference(difference: SetupDifference, repair: Repair) -> None:
        draft = drift_drafts.of_setup(difference)
        reconcile_pass.handle(run, finding=difference, draft=draft, plan=plan, repair=repair)

    setup_pass = SetupPass(
        setup=SETUPS[run.step],
        account=account,
        at=plan.at,
        project=plan.project,
        tick=plan.tick,
        on_difference=on_difference,
        on_failure=plan.on_failure,
    )
    return setup_reconciliation.compare_page(run, setup_pass)


def _law_page(run: ReconcileRun, plan: ReconcilePass) -> bool:
    """Check our own tables. The check itself repairs, under the locks of the writers."""
    repairs = plan.policy_of(drift_drafts.class_of_law(run.step)) == HealPolicy.HEAL
    page = law_checks.check_page(
        run.step, after=run.after, at=plan.at, repair=repairs, project=plan.project
    )
    for violation in page.violations:
        draft = drift_drafts.of_law(violation, law=run.step)
        reconcile_pass.handle(
            run,
            finding=violation,
            draft=draft,
            plan=plan,
            repair=partial(_outcome_of, violation),
            park=partial(_outcome_of, violation, reconcile_pass.PARKED),
        )
    return _end_page(run, plan, checked=page.checked, after=page.after)


def _outcome_of(violation: LawViolation, otherwise: str | None = None) -> str | None:
    return violation.error or otherwise


def _end_page(run: ReconcileRun, plan: ReconcilePass, *, checked: int, after: str) -> bool:
    """Save the result of the page; returns whether another page follows."""
    for _ in range(checked):
        run.compared += 1
        plan.tick()
    if not after:
        reconcile_runs.finish(run, ReconcilePhase.FINISHED, at=plan.at)
        return False
    reconcile_runs.save_progress(run, after=after)
    return True
