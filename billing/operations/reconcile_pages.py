"""One page of a Stripe list beside our rows: which objects differ, and which rows it left out.

Compared is what applying would change, by the same code (``apply.compare``). A difference counts
only if reading the single object confirms it: lists at Stripe may lag behind, and rows here may
change while a list is read. Every request waits for the account's background budget.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db.models import Exists, OuterRef

from billing.models import ReconcileRun, ReconcileSighting, StripeAccount
from billing.stripe import budget
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.errors import StripeMalformed, StripeObjectMissing, StripeRefused
from billing.stripe.fields import PAGE
from billing.stripe.snapshots import Snapshot, UnreadableObject
from billing.sync import apply
from billing.sync.apply import Comparison
from billing.sync.kinds import Mirrored
from billing.sync.plan import Differences
from billing.sync.selectors import page_rows
from billing.sync.service import BudgetSpent
from common.errors import DomainError
from projects.models import Project

BUDGET_PATIENCE = 10.0
"""Seconds to wait for leave to send one request."""

Listed = Snapshot | UnreadableObject
OnFailure = Callable[[str, Exception], object]
"""Told what could not be compared, a kind or one object of it, and why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that our rows do not say the same about as Stripe does."""

    account: StripeAccount
    kind: str
    stripe_id: str
    project_id: str
    our_id: str | None
    differences: Differences
    is_gone: bool = False
    is_missing: bool = False
    """Whether Stripe answered 404, and not that the object is deleted."""

    def __str__(self) -> str:
        head = f"{self.kind} {self.stripe_id}"
        if self.our_id is None:
            return f"{head}: not mirrored"
        if self.is_gone:
            return f"{head} ({self.our_id}): gone at Stripe"
        changes = (
            f"{name}: {ours!s} -> {stripes!s}"
            for name, (ours, stripes) in sorted(self.differences.items())
        )
        return f"{head} ({self.our_id}): {'; '.join(changes)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is compared: one kind of one account, and only ``project``'s objects if it is given."""

    account: StripeAccount
    mirrored: Mirrored
    at: datetime
    project: Project | None = None


def wait_for_budget(account: StripeAccount) -> None:
    """Wait for leave to ask Stripe once in the background. Raises BudgetSpent."""
    if not budget.wait(account, Lane.BACKGROUND, patience=BUDGET_PATIENCE):
        raise BudgetSpent("This Stripe account is asked as often as it may be.", retry_after=60)


def read(scope: Scope, *, after: str) -> list[Listed]:
    """The page behind the object ``after``, newest first; the last one is shorter than PAGE.

    Raises StripeObjectMissing when that object is gone, and what Stripe's errors are sorted into.
    """
    wait_for_budget(scope.account)
    listed = scope.mirrored.iterate(client_for(scope.account), after=after or None)
    return list(islice(listed, PAGE))


def differing(scope: Scope, page: Sequence[Listed]) -> list[str]:
    """Ids of the page's objects about which our rows do not say what the page says.

    The number of queries does not depend on the number of objects.
    """
    snapshots = [each for each in page if isinstance(each, Snapshot)]
    unreadable = [each.stripe_id for each in page if isinstance(each, UnreadableObject)]
    model = scope.mirrored.mapper.model
    with page_rows.hold(scope.account, model=model, snapshots=snapshots):
        found = [each.stripe_id for each in snapshots if _may_differ(scope, each)]
    return found + [stripe_id for stripe_id in unreadable if stripe_id]


def unlisted(run: ReconcileRun, scope: Scope, *, after: str) -> list[str]:
    """Up to a page of objects behind ``after`` that we mirror and the list did not name."""
    rows = scope.mirrored.mapper.model.objects.across_projects().filter(
        account=scope.account, stripe_id__gt=after
    )
    if scope.project is not None:
        rows = rows.filter(project=scope.project)
    seen = ReconcileSighting.objects.filter(run=run, stripe_id=OuterRef("stripe_id"))
    ids = rows.filter(~Exists(seen)).order_by("stripe_id").values_list("stripe_id", flat=True)
    return [str(stripe_id) for stripe_id in ids[:PAGE]]


def ending(scope: Scope, stripe_ids: Sequence[str]) -> list[str]:
    """Those whose rows would change if their objects were gone; a constant number of queries."""
    with page_rows.hold_ids(scope.account, model=scope.mirrored.mapper.model, ids=stripe_ids):
        return [stripe_id for stripe_id in stripe_ids if _compare(scope, stripe_id, None)]


def confirm(scope: Scope, stripe_id: str, *, on_failure: OnFailure) -> Finding | None:
    """The difference, if it is still there when the object itself is read."""
    wait_for_budget(scope.account)
    snapshot: Snapshot | None
    try:
        snapshot = scope.mirrored.retrieve(client_for(scope.account), stripe_id)
    except StripeObjectMissing:
        snapshot = None
    except (StripeMalformed, StripeRefused) as error:
        on_failure(f"{scope.mirrored.kind} {stripe_id}", error)
        return None
    try:
        found = _compare(scope, stripe_id, snapshot)
    except Exception as error:  # noqa: BLE001  # one object's trouble must not stop the others
        on_failure(f"{scope.mirrored.kind} {stripe_id}", error)
        return None
    if found is None:
        return None
    return Finding(
        account=scope.account,
        kind=scope.mirrored.kind,
        stripe_id=stripe_id,
        project_id=found.owner.project_id,
        our_id=found.our_id,
        differences=found.differences,
        is_gone=snapshot is None or snapshot.deleted,
        is_missing=snapshot is None,
    )


def code_of(error: Exception) -> str:
    """What an error is called in a log or a summary."""
    return error.code if isinstance(error, DomainError) else type(error).__name__


def _may_differ(scope: Scope, snapshot: Snapshot) -> bool:
    """Also true for an object that cannot be compared: reading it alone says why."""
    try:
        return _compare(scope, snapshot.stripe_id, snapshot) is not None
    except Exception:  # noqa: BLE001  # one object's trouble must not stop the others
        return True


def _compare(scope: Scope, stripe_id: str, snapshot: Snapshot | None) -> Comparison | None:
    """The comparison, if something differs and it is an owner who was asked about."""
    found = apply.compare(
        account=scope.account,
        kind=scope.mirrored.kind,
        stripe_id=stripe_id,
        snapshot=snapshot,
        at=scope.at,
    )
    if found is None or not found.differences:
        return None
    if scope.project is not None and found.owner.project_id != scope.project.pk:
        return None
    return found
