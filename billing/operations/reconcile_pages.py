"""Compare one page of a Stripe list with our rows: differing objects, and rows not in the list.

An object differs if applying it would change a row (``apply.compare``). A difference counts only if
reading the single object confirms it: Stripe's lists may lag, and rows may change while a list is
read. Every request waits for the account's background budget.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from billing.models import ReconcileRun, StripeAccount
from billing.models.mirror import Mirror
from billing.operations.selectors import reconcile_runs
from billing.stripe import budget
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.errors import StripeMalformed, StripeObjectMissing, StripeRefused
from billing.stripe.fields import PAGE
from billing.stripe.snapshots import StripeSnapshot, UnreadableObject
from billing.sync import apply
from billing.sync.apply import Comparison
from billing.sync.kinds import Mirrored
from billing.sync.object_sync import BudgetSpent
from billing.sync.plan import Differences
from billing.sync.selectors import owners, page_rows
from common.errors import DomainError
from projects.models import Project

BUDGET_PATIENCE_SECONDS = 10.0
"""Longest wait for the request budget before one request."""

ListedObject = StripeSnapshot | UnreadableObject
OnFailure = Callable[[str, Exception], object]
"""Called with the kind or object that could not be compared, and with the error."""


@dataclass(frozen=True, slots=True)
class ReconcileFinding:
    """One object whose row differs from Stripe."""

    account: StripeAccount
    kind: str
    stripe_id: str
    project_id: str
    our_id: str | None
    differences: Differences
    is_gone: bool = False
    is_missing: bool = False
    """Stripe answered 404, instead of saying that the object is deleted."""
    can_be_deleted: bool = True
    """Whether Stripe may delete such an object; computed for missing objects only."""
    is_foreign: bool = False
    """We mirror it, but at Stripe it belongs to none of our customers."""
    in_sync_at: datetime | None = None
    """When our row was last read from Stripe."""

    def __str__(self) -> str:
        head = f"{self.kind} {self.stripe_id}"
        if self.our_id is None:
            return f"{head}: not mirrored"
        if self.is_gone:
            return f"{head} ({self.our_id}): gone at Stripe"
        if self.is_foreign:
            return f"{head} ({self.our_id}): belongs to nobody here"
        changes = (
            f"{name}: {our_value!s} -> {stripe_value!s}"
            for name, (our_value, stripe_value) in sorted(self.differences.items())
        )
        return f"{head} ({self.our_id}): {'; '.join(changes)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileScope:
    """One kind of object of one account, limited to ``project`` if that is given."""

    account: StripeAccount
    mirrored: Mirrored
    at: datetime
    project: Project | None = None


def wait_for_budget(account: StripeAccount) -> None:
    """Wait for the background budget of one request. Raises BudgetSpent."""
    if not budget.wait(account, Lane.BACKGROUND, patience=BUDGET_PATIENCE_SECONDS):
        raise BudgetSpent("The request limit of this Stripe account is reached.", retry_after=60)


def read_page(scope: ReconcileScope, *, after: str) -> list[ListedObject]:
    """The page after the object ``after``, newest first; the last page is shorter than PAGE.

    Raises StripeObjectMissing if that object is deleted, and the errors of ``billing.stripe``.
    """
    wait_for_budget(scope.account)
    listed = scope.mirrored.iterate(client_for(scope.account), after=after or None)
    return list(islice(listed, PAGE))


def find_differing(scope: ReconcileScope, page: Sequence[ListedObject]) -> list[str]:
    """Ids of the page's objects that differ from our rows, including unreadable ones.

    The number of queries does not depend on the number of objects.
    """
    snapshots = [listed for listed in page if isinstance(listed, StripeSnapshot)]
    unreadable = [listed.stripe_id for listed in page if isinstance(listed, UnreadableObject)]
    model = scope.mirrored.mapper.model
    with page_rows.hold(scope.account, model=model, snapshots=snapshots):
        ids = [listed.stripe_id for listed in snapshots if _may_differ(scope, listed)]
    return ids + [stripe_id for stripe_id in unreadable if stripe_id]


def find_unlisted(run: ReconcileRun, scope: ReconcileScope, *, after: str) -> list[str]:
    """Stripe ids after ``after`` that we mirror and the list did not contain; at most one page."""
    return reconcile_runs.unlisted_ids(
        run, scope.mirrored.mapper.model, account=scope.account, project=scope.project, after=after
    )


def find_affected_by_removal(scope: ReconcileScope, stripe_ids: Sequence[str]) -> list[str]:
    """Ids whose rows would change if Stripe had deleted the object. A fixed number of queries."""
    with page_rows.hold_ids(scope.account, model=scope.mirrored.mapper.model, ids=stripe_ids):
        return [stripe_id for stripe_id in stripe_ids if _compare(scope, stripe_id, None)]


def confirm(
    scope: ReconcileScope, stripe_id: str, *, on_failure: OnFailure
) -> ReconcileFinding | None:
    """Read the single object and return the difference; None if there is none."""
    wait_for_budget(scope.account)
    snapshot: StripeSnapshot | None
    try:
        snapshot = scope.mirrored.retrieve(client_for(scope.account), stripe_id)
    except StripeObjectMissing:
        snapshot = None
    except (StripeMalformed, StripeRefused) as error:
        _report_failure(scope, stripe_id, error, on_failure)
        return None
    try:
        comparison = _compare(scope, stripe_id, snapshot)
    except Exception as error:  # noqa: BLE001  # the error of one object must not stop the others
        _report_failure(scope, stripe_id, error, on_failure)
        return None
    if comparison is None:
        return _find_foreign(scope, stripe_id, snapshot)
    return ReconcileFinding(
        account=scope.account,
        kind=scope.mirrored.kind,
        stripe_id=stripe_id,
        project_id=comparison.owner.project_id,
        our_id=comparison.our_id,
        differences=comparison.differences,
        is_gone=snapshot is None or snapshot.deleted,
        is_missing=snapshot is None,
        can_be_deleted=snapshot is not None or _can_be_deleted(scope, stripe_id),
        in_sync_at=comparison.in_sync_at,
    )


def count_visible(scope: ReconcileScope, page: Sequence[ListedObject]) -> int:
    """Number of objects of the page that the owner of the reconciliation may know of.

    Of a shared account, a project's reconciliation counts only what the project mirrors.
    """
    if scope.project is None or not scope.account.is_shared:
        return len(page)
    ids = [listed.stripe_id for listed in page]
    rows = scope.mirrored.mapper.model.objects.for_project(scope.project)
    return int(rows.filter(account=scope.account, stripe_id__in=ids).count())


def code_of(error: Exception) -> str:
    """The name of an error in logs and summaries."""
    return error.code if isinstance(error, DomainError) else type(error).__name__


def _may_differ(scope: ReconcileScope, snapshot: StripeSnapshot) -> bool:
    """Whether the object differs; true too if the comparison fails: reading it alone shows why."""
    try:
        is_different = _compare(scope, snapshot.stripe_id, snapshot) is not None
        return is_different or _is_foreign(scope, snapshot.stripe_id, snapshot)
    except Exception:  # noqa: BLE001  # the error of one object must not stop the others
        return True


def _report_failure(
    scope: ReconcileScope, stripe_id: str, error: Exception, on_failure: OnFailure
) -> None:
    """Call ``on_failure``; but a project learns nothing about objects that it does not mirror."""
    row = _row(scope, stripe_id) if scope.project is not None else None
    if scope.project is None or (row is not None and row.project_id == scope.project.pk):
        on_failure(f"{scope.mirrored.kind} {stripe_id}", error)


def _row(scope: ReconcileScope, stripe_id: str) -> Mirror | None:
    row: Mirror | None = owners.row_of(
        scope.mirrored.mapper.model, account=scope.account, stripe_id=stripe_id
    )
    return row


def _can_be_deleted(scope: ReconcileScope, stripe_id: str) -> bool:
    row = _row(scope, stripe_id)
    return row is not None and scope.mirrored.can_be_deleted(row)


def _is_foreign(scope: ReconcileScope, stripe_id: str, snapshot: StripeSnapshot) -> bool:
    """Whether we mirror an existing object that belongs to nobody here."""
    if snapshot.deleted or _row(scope, stripe_id) is None:
        return False
    return scope.mirrored.mapper.owner(scope.account, snapshot) is None


def _find_foreign(
    scope: ReconcileScope, stripe_id: str, snapshot: StripeSnapshot | None
) -> ReconcileFinding | None:
    if snapshot is None or not _is_foreign(scope, stripe_id, snapshot):
        return None
    row = _row(scope, stripe_id)
    if row is None or (scope.project is not None and row.project_id != scope.project.pk):
        return None
    return ReconcileFinding(
        account=scope.account,
        kind=scope.mirrored.kind,
        stripe_id=stripe_id,
        project_id=row.project_id,
        our_id=row.pk,
        differences={},
        is_foreign=True,
        in_sync_at=row.synced_at,
    )


def _compare(
    scope: ReconcileScope, stripe_id: str, snapshot: StripeSnapshot | None
) -> Comparison | None:
    """The comparison; None without a difference, or for an owner outside the scope."""
    comparison = apply.compare(
        account=scope.account,
        kind=scope.mirrored.kind,
        stripe_id=stripe_id,
        snapshot=snapshot,
        at=scope.at,
    )
    if comparison is None or not comparison.differences:
        return None
    if scope.project is not None and comparison.owner.project_id != scope.project.pk:
        return None
    return comparison
