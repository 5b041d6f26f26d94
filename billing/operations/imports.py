"""Import the objects of a project's own Stripe account, by the same path as all other syncs.

Works page by page: objects that differ from our rows are claimed, and the page is read once more,
so that each fence is older than the data that is stored. Progress is saved after every page.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import structlog

from billing.accounts.selectors import stripe_accounts
from billing.errors import NothingToImport
from billing.models import ImportProgress, StripeAccount, StripeCustomer
from billing.models.sync_object import ObjectKind
from billing.stripe import budget
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.errors import StripeMalformed, StripeObjectMissing
from billing.stripe.fields import PAGE
from billing.stripe.snapshots import CustomerSnapshot, StripeSnapshot, UnreadableObject
from billing.sync import apply, kinds, sync_queue
from billing.sync import service as sync
from billing.sync.selectors import owners
from billing.sync.sync_queue import SyncLease
from common.errors import Unavailable
from projects.customers import service as customers
from projects.models import Project

log = structlog.get_logger(__name__)

LONGEST_USER_ID = 255
ListedObject = StripeSnapshot | UnreadableObject
BUDGET_PATIENCE_SECONDS = 60.0
"""Longest wait for the request budget before a page is read."""


def imported_kinds() -> tuple[str, ...]:
    """Kinds in order: owners first. Checkout sessions are left out: a session that is not ours adds
    nothing to its payment."""
    return tuple(kind for kind in kinds.KINDS if kind != ObjectKind.CHECKOUT_SESSION)


@dataclass(slots=True)
class ImportResult:
    """Counts of the objects of one kind. Workers read waiting and unreadable objects again."""

    listed: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    foreign: int = 0
    waiting: int = 0
    unreadable: int = 0

    def __str__(self) -> str:
        return (
            f"{self.listed} listed, {self.new} new, {self.changed} changed, {self.same} the same, "
            f"{self.foreign} not for us, {self.waiting} still to be read, "
            f"{self.unreadable} that could not be read"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRun:
    """An import of one kind of object. ``tick`` is called once per object."""

    project: Project
    kind: str
    at: datetime
    user_id_key: str = ""
    tick: Callable[[], object] = lambda: None

    @property
    def account(self) -> StripeAccount:
        """Raises NothingToImport for a project without an account of its own."""
        account = stripe_accounts.own(self.project)
        if account is None:
            raise NothingToImport("Connect the project's own Stripe account first.")
        return account


def import_objects(run: ImportRun, *, resume: bool = False) -> ImportResult:
    """Mirror every object of this kind.

    An unknown Stripe customer becomes a customer of this project; its user id is the metadata value
    under ``user_id_key``, else its Stripe id. ``resume`` continues an earlier run. Raises the
    errors of ``billing.stripe``; stored objects stay.
    """
    account, result = run.account, ImportResult()
    progress = _start_progress(run, account, resume=resume)
    if progress.finished_at is not None:
        return result
    for after, page in _pages(run, account, progress.after):
        adopted = {listed.stripe_id for listed in page if _adopt(run, account, listed)}
        _store_differences(run, account, after, page, adopted, result)
        _save_progress(progress, after=_last_id(page))
    _save_progress(progress, after="", finished_at=run.at)
    return result


def preview_import(run: ImportRun) -> ImportResult:
    """Count what :func:`import_objects` would do; writes nothing."""
    account, result = run.account, ImportResult()
    for _, page in _pages(run, account, ""):
        for listed in page:
            run.tick()
            if isinstance(listed, UnreadableObject):
                _count_unreadable(result)
                continue
            becomes_ours = run.kind == ObjectKind.CUSTOMER or bool(apply.customer_of(listed))
            _count_object(run, account, listed, result, becomes_ours=becomes_ours)
    return result


def _start_progress(run: ImportRun, account: StripeAccount, *, resume: bool) -> ImportProgress:
    progress, _ = ImportProgress.objects.for_project(run.project).get_or_create(
        account=account, kind=run.kind
    )
    if not resume:
        _save_progress(progress, after="", finished_at=None)
    return progress


def _save_progress(progress: ImportProgress, **values: object) -> None:
    for name, value in values.items():
        setattr(progress, name, value)
    progress.save(update_fields=[*values, "updated_at"])


def _pages(
    run: ImportRun, account: StripeAccount, after: str
) -> Iterator[tuple[str, list[ListedObject]]]:
    """Each page with the id before it; starts again at the first page if that object is deleted."""
    while True:
        try:
            page = _page(run, account, after)
        except StripeObjectMissing:
            if not after:
                raise
            after = ""
            continue
        if page:
            yield after, page
        if len(page) < PAGE:
            return
        after = _last_id(page)


def _last_id(page: list[ListedObject]) -> str:
    """The cursor of the next page. Raises StripeMalformed for a page without object ids."""
    ids = [listed.stripe_id for listed in page if listed.stripe_id]
    if not ids:
        raise StripeMalformed("Stripe listed objects without their ids.")
    return ids[-1]


def _page(run: ImportRun, account: StripeAccount, after: str) -> list[ListedObject]:
    if not budget.wait(account, Lane.BACKGROUND, patience=BUDGET_PATIENCE_SECONDS):
        raise Unavailable("The request limit of this Stripe account is reached.", retry_after=60)
    listed = kinds.of(run.kind).iterate(client_for(account), after=after or None)
    return list(islice(listed, PAGE))


def _adopt(run: ImportRun, account: StripeAccount, snapshot: ListedObject) -> bool:
    """Create a customer for an unknown Stripe customer; returns whether it did."""
    if not isinstance(snapshot, CustomerSnapshot):
        return False
    row = owners.claimed_row(
        StripeCustomer, account=account, stripe_id=snapshot.stripe_id, our_id=snapshot.our_id
    )
    if row is not None:
        return False
    user_id = snapshot.metadata.get(run.user_id_key, "").strip()
    if not 0 < len(user_id) <= LONGEST_USER_ID or _is_taken(run.project, account, user_id):
        user_id = snapshot.stripe_id
    customer = customers.ensure(
        project=run.project, user_id=user_id, email=snapshot.email, name=snapshot.name, at=run.at
    )
    StripeCustomer.objects.for_project(run.project).get_or_create(
        account=account, stripe_id=snapshot.stripe_id, defaults={"customer": customer}
    )
    return True


def _is_taken(project: Project, account: StripeAccount, user_id: str) -> bool:
    """Whether another customer of this Stripe account has the ``user_id`` already."""
    rows = StripeCustomer.objects.for_project(project).filter(account=account, deleted_at=None)
    return rows.filter(customer__user_id=user_id).exists()


def _store_differences(
    run: ImportRun,
    account: StripeAccount,
    after: str,
    page: list[ListedObject],
    adopted: set[str],
    result: ImportResult,
) -> None:
    """Store differing objects: claim all of them, then read the page again and apply it."""
    claims = {
        listed.stripe_id: _claim(run, account, listed.stripe_id)
        for listed in page
        if _differs(run, account, listed, result, is_adopted=listed.stripe_id in adopted)
    }
    for snapshot in _page(run, account, after) if claims else ():
        if isinstance(snapshot, StripeSnapshot):
            claim = claims.pop(snapshot.stripe_id, None)
            result.waiting += claim is not None and not _store(claim, snapshot, run.at)
    for claim in claims.values():
        result.waiting += 1
        if claim is not None:
            sync_queue.release(claim)


def _differs(
    run: ImportRun,
    account: StripeAccount,
    listed: ListedObject,
    result: ImportResult,
    *,
    is_adopted: bool,
) -> bool:
    """Count a listed object; returns whether it is readable and differs from our rows.

    An unreadable object is left to the workers: they read it alone, store the error, and park it if
    the error persists.
    """
    run.tick()
    if isinstance(listed, StripeSnapshot):
        return _count_object(run, account, listed, result, is_adopted=is_adopted)
    _count_unreadable(result)
    if listed.stripe_id:
        sync_queue.request_sync(account_id=account.pk, kind=run.kind, stripe_id=listed.stripe_id)
    return False


def _count_unreadable(result: ImportResult) -> None:
    result.listed += 1
    result.unreadable += 1


def _count_object(
    run: ImportRun,
    account: StripeAccount,
    snapshot: StripeSnapshot,
    result: ImportResult,
    *,
    is_adopted: bool = False,
    becomes_ours: bool = False,
) -> bool:
    """Count the object; returns whether it differs from our rows."""
    result.listed += 1
    comparison = apply.compare(
        account=account,
        kind=run.kind,
        stripe_id=snapshot.stripe_id,
        snapshot=snapshot,
        at=run.at,
    )
    if comparison is None:
        result.new += becomes_ours
        result.foreign += not becomes_ours
        return False
    if not comparison.differences and not is_adopted:
        result.same += 1
        return False
    is_new = is_adopted or comparison.our_id is None
    result.new += is_new
    result.changed += not is_new
    return True


def _claim(run: ImportRun, account: StripeAccount, stripe_id: str) -> SyncLease | None:
    """The claim of the object; None while a worker reads it."""
    sync_id, _ = sync_queue.request_sync(account_id=account.pk, kind=run.kind, stripe_id=stripe_id)
    return sync_queue.claim_object(account=account, sync_id=sync_id)


def _store(lease: SyncLease, snapshot: StripeSnapshot, at: datetime) -> bool:
    try:
        return sync.store(lease, snapshot, at=at)
    except Exception as error:  # noqa: BLE001  # stored with the object: the workers try again
        sync.record_failure(lease, error, at=at)
        log.warning("import_waits", kind=lease.kind, stripe_id=lease.stripe_id)
        return False
