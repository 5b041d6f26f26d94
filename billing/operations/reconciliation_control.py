"""Start, pause, resume and stop reconciliations. Workers do the work (``reconciliation_worker``).

Of one account only one runs at a time: the oldest that is not paused. The same account and project
cannot be requested twice before the first is over. A project is not told of the reconciliations of
others that sell through the same account: its own then waits for its turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from billing.models import ReconcileRun, ReconcileSighting, Reconciliation, StripeAccount
from billing.models.reconcile_run import ReconcilePhase
from billing.models.reconciliation import ReconciliationState
from billing.operations import law_checks, reconcile_kinds, reconcile_runs, stripe_targets
from billing.operations.selectors import drift_reports, reconciliations
from billing.sync.selectors import missing_objects
from common.errors import Conflict, Invalid, NotFound
from common.ids import new_id
from common.queue import enqueue
from events.audit import audit_trail as audit
from projects.models import Project

TASK = "billing.reconcile_requested"
PAUSE_OF_KEYS = timedelta(minutes=15)
"""Least time between two reconciliations that a project's keys start on a shared account: each
reads the lists of the whole account."""


_OPEN = Q(finished_at__isnull=True)


class ReconcileRunning(Conflict):
    code, title = "reconcile-running", "A reconciliation of this account is not over yet."


class ReconcileTooSoon(Conflict):
    code, title = "reconcile-too-soon", "The last reconciliation was started a short time ago."


class ReconcileOver(Conflict):
    code, title = "reconcile-over", "This reconciliation is over."


class NoAccountToReconcile(Conflict):
    code, title = "no-account-to-reconcile", "There is no Stripe account with a key to compare."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReconciliation:
    """A reconciliation to start: of an account, limited to ``project`` if that is set. Of a
    project's own account everything is the project's.

    ``kinds`` are names of ``reconcile_kinds``; empty: all that can be compared in this scope.
    """

    account: StripeAccount
    project: Project | None = None
    kinds: Sequence[str] = ()
    dry_run: bool = False
    reason: str = ""
    is_by_key_of_project: bool = False

    @property
    def scope(self) -> Project | None:
        """The project whose objects are compared; None: those of all projects."""
        return self.project or self.account.project


def find_scope(
    *, own_project: Project | None, account_id: str | None, project_id: str | None
) -> tuple[StripeAccount, Project | None]:
    """The account and project that a caller names. ``own_project``: the only one it may name.

    Raises NotFound, NoAccountToReconcile, Invalid.
    """
    project = own_project
    if own_project is not None and project_id not in (None, own_project.pk):
        raise NotFound
    if own_project is None and project_id is not None:
        project = Project.objects.filter(pk=project_id).first()
        if project is None:
            raise NotFound
    if project is None and account_id is None:
        raise Invalid("Send an account or a project.", field="account")
    accounts = stripe_targets.accounts(project=project)
    if account_id is not None:
        accounts = [account for account in accounts if account.pk == account_id]
        if not accounts and own_project is not None:
            raise NotFound
    if not accounts:
        raise NoAccountToReconcile("Connect the account, or set its key.")
    return accounts[0], project


def start(*, request: NewReconciliation, actor: str, at: datetime) -> Reconciliation:
    """Store the reconciliation and its steps, and wake a worker.

    Raises ReconcileRunning, ReconcileTooSoon, Invalid.
    """
    stripe_steps, laws = _steps(request)
    with transaction.atomic():
        missing_objects.lock(request.account.pk)
        _refuse_second(request, at)
        row_id = new_id("rec")
        row = Reconciliation.objects.create(
            id=row_id,
            purpose=row_id,
            account=request.account,
            project=request.scope,
            kinds=list(request.kinds),
            dry_run=request.dry_run,
            reason=request.reason,
            started_by=actor[:120],
            started_at=at,
        )
        reconcile_runs.begin(
            purpose=row.purpose, account=request.account, steps=stripe_steps, at=at
        )
        reconcile_runs.begin(purpose=row.purpose, account=None, steps=laws, at=at)
        _record(row, "reconciliation.start", actor, request.reason, at)
        enqueue(TASK)
    return row


def stop(*, row: Reconciliation, actor: str, reason: str, at: datetime) -> Reconciliation:
    """End it after the current page. Repairs that were done stay. Raises ReconcileOver."""
    with transaction.atomic():
        row = _lock_unfinished(row)
        open_steps = reconciliations.steps(row).filter(_OPEN)
        ReconcileSighting.objects.filter(run__in=open_steps.order_by()).delete()
        ReconcileRun.objects.filter(pk__in=open_steps.order_by().values("pk")).update(
            phase=ReconcilePhase.STOPPED, finished_at=at, leased_until=None
        )
        row.ended_by = actor[:120]
        end(row, state=ReconciliationState.STOPPED, at=at)
        _record(row, "reconciliation.stop", actor, reason, at)
    return row


def pause(*, row: Reconciliation, actor: str, reason: str, at: datetime) -> Reconciliation:
    """Pause it after the current page; others of the account can pass it. Raises ReconcileOver."""
    with transaction.atomic():
        row = _lock_unfinished(row)
        if row.paused_at is None:
            row.paused_at, row.state = at, ReconciliationState.PAUSED
            row.save(update_fields=["paused_at", "state"])
            _record(row, "reconciliation.pause", actor, reason, at)
    return row


def resume(*, row: Reconciliation, actor: str, reason: str, at: datetime) -> Reconciliation:
    """Continue a paused one after its last page. Raises ReconcileOver."""
    with transaction.atomic():
        row = _lock_unfinished(row)
        if row.paused_at is not None:
            row.paused_at, row.state = None, ReconciliationState.RUNNING
            row.save(update_fields=["paused_at", "state"])
            _record(row, "reconciliation.resume", actor, reason, at)
            enqueue(TASK)
    return row


def end_if_over(row: Reconciliation, *, at: datetime) -> None:
    """End the reconciliation if it has no open step."""
    with transaction.atomic():
        locked = reconciliations.lock(row.pk)
        if not locked.is_unfinished or reconciliations.steps(locked).filter(_OPEN).exists():
            return
        progress = reconciliations.progress_of([locked])[locked.pk]
        state = ReconciliationState.FAILED if progress.broken else ReconciliationState.FINISHED
        end(locked, state=state, at=at)


def end(row: Reconciliation, *, state: ReconciliationState, at: datetime) -> None:
    """Store its final state and figures."""
    counts = drift_reports.counts_of_runs([row.pk]).get(row.pk, {})
    row.state, row.finished_at, row.paused_at = state, at, None
    row.compared = reconciliations.progress_of([row])[row.pk].compared
    row.found = sum(counts.values())
    row.healed, row.parked = counts.get("healed", 0), counts.get("parked", 0)
    row.save(
        update_fields=[
            *("state", "finished_at", "paused_at", "ended_by"),
            *("compared", "found", "healed", "parked"),
        ]
    )


def _lock_unfinished(row: Reconciliation) -> Reconciliation:
    locked = reconciliations.lock(row.pk)
    if not locked.is_unfinished:
        raise ReconcileOver("Start a new one.")
    return locked


def _refuse_second(request: NewReconciliation, at: datetime) -> None:
    rows = reconciliations.unfinished(request.account)
    if request.scope is not None:
        rows = rows.filter(project=request.scope)
    running = rows.order_by("pk").values_list("pk", flat=True).first()
    if running is not None:
        raise ReconcileRunning(f"Wait until {running} is over, or stop it.", running=running)
    if request.is_by_key_of_project and request.project and request.account.is_shared:
        last = reconciliations.started_by_project_since(
            request.project, account=request.account, at=at, within=PAUSE_OF_KEYS
        )
        if last is not None:
            seconds = int((last + PAUSE_OF_KEYS - at).total_seconds()) + 1
            raise ReconcileTooSoon("Start the next one later.", retry_after=max(1, seconds))


def _steps(request: NewReconciliation) -> tuple[list[str], list[str]]:
    """Steps of the account, and laws of our own tables: these only for a project."""
    is_of_project = request.scope is not None
    steps = [reconcile_kinds.STEPS[name] for name in request.kinds]
    laws = [step for step in steps if step in law_checks.LAWS]
    if laws and not is_of_project:
        raise Invalid("Our own tables are compared for one project: send a project.", field="kinds")
    if not request.kinds:
        return reconcile_kinds.stripe_steps(), list(law_checks.LAWS) if is_of_project else []
    return [step for step in steps if step not in law_checks.LAWS], laws


def _record(row: Reconciliation, action: str, actor: str, reason: str, at: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=row.pk,
        project_id=row.project_id,
        reason=reason,
        after={"account": row.account_id, "kinds": row.kinds, "dry_run": row.dry_run},
        at=at,
    )
