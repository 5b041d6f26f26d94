"""Bring in what a project's own Stripe account holds already, by the path of everything else.

Page by page: a page is looked through, what our rows do not say the same about is claimed, and the
page is read once more, so that each fence is older than what is stored. How far it has come is kept
after every page.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import structlog

from billing.accounts.selectors import stripe_accounts
from billing.errors import NothingToImport
from billing.models import ImportProgress, StripeAccount, StripeCustomer
from billing.models.sync_object import Kind
from billing.stripe import budget
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.errors import StripeMalformed, StripeObjectMissing
from billing.stripe.fields import PAGE
from billing.stripe.snapshots import CustomerSnapshot, Snapshot, UnreadableObject
from billing.sync import apply, kinds, sync_queue
from billing.sync import service as sync
from billing.sync.selectors import owners
from billing.sync.sync_queue import Claim
from common.errors import Unavailable
from projects.customers import service as customers
from projects.models import Project

log = structlog.get_logger(__name__)

LONGEST_USER_ID = 255
Listed = Snapshot | UnreadableObject
PATIENCE = 60.0
"""Seconds to wait for leave to read a page."""


def imported_kinds() -> tuple[str, ...]:
    """Owners before what they own. A page that is not ours says nothing that its payment does
    not."""
    return tuple(kind for kind in kinds.KINDS if kind != Kind.CHECKOUT_SESSION)


@dataclass(slots=True)
class Outcome:
    """What became of the objects of one kind. The workers read again those that wait and those
    that could not be read."""

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
class Run:
    """One kind of object of one account. ``tick`` is called for each object looked at."""

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


def bring_in(run: Run, *, go_on: bool = False) -> Outcome:
    """Make our rows say what Stripe says about every object of this kind.

    A customer that we do not know becomes one of this project, under the ``user_id`` that its
    metadata names under ``user_id_key``, else its Stripe id. ``go_on`` begins where an earlier
    run has stopped. Raises what Stripe's errors are sorted into; what is stored stays.
    """
    account, outcome = run.account, Outcome()
    progress = _begin(run, account, go_on=go_on)
    if progress.finished_at is not None:
        return outcome
    for after, page in _pages(run, account, progress.after):
        adopted = {each.stripe_id for each in page if _adopt(run, account, each)}
        _take_in(run, account, after, page, adopted, outcome)
        _note(progress, after=_last_id(page))
    _note(progress, after="", finished_at=run.at)
    return outcome


def look_through(run: Run) -> Outcome:
    """What :func:`bring_in` would come to; writes nothing."""
    account, outcome = run.account, Outcome()
    for _, page in _pages(run, account, ""):
        for listed in page:
            run.tick()
            if isinstance(listed, UnreadableObject):
                _count_unreadable(outcome)
                continue
            becomes_ours = run.kind == Kind.CUSTOMER or bool(apply.customer_of(listed))
            _sort(run, account, listed, outcome, becomes_ours=becomes_ours)
    return outcome


def _begin(run: Run, account: StripeAccount, *, go_on: bool) -> ImportProgress:
    progress, _ = ImportProgress.objects.for_project(run.project).get_or_create(
        account=account, kind=run.kind
    )
    if not go_on:
        _note(progress, after="", finished_at=None)
    return progress


def _note(progress: ImportProgress, **values: object) -> None:
    for name, value in values.items():
        setattr(progress, name, value)
    progress.save(update_fields=[*values, "updated_at"])


def _pages(run: Run, account: StripeAccount, after: str) -> Iterator[tuple[str, list[Listed]]]:
    """Each page and behind what it begins; from the beginning if that object is gone."""
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


def _last_id(page: list[Listed]) -> str:
    """Where the next page begins. Raises StripeMalformed for a page that names no object."""
    named = [each.stripe_id for each in page if each.stripe_id]
    if not named:
        raise StripeMalformed("Stripe listed objects without their ids.")
    return named[-1]


def _page(run: Run, account: StripeAccount, after: str) -> list[Listed]:
    if not budget.wait(account, Lane.BACKGROUND, patience=PATIENCE):
        raise Unavailable("This Stripe account is asked as often as it may be.", retry_after=60)
    listed = kinds.of(run.kind).iterate(client_for(account), after=after or None)
    return list(islice(listed, PAGE))


def _adopt(run: Run, account: StripeAccount, snapshot: Listed) -> bool:
    """Make a customer of ours of one that we do not know; whether this did."""
    if not isinstance(snapshot, CustomerSnapshot):
        return False
    known = owners.claimed_row(
        StripeCustomer, account=account, stripe_id=snapshot.stripe_id, our_id=snapshot.our_id
    )
    if known is not None:
        return False
    wanted = snapshot.metadata.get(run.user_id_key, "").strip()
    if not 0 < len(wanted) <= LONGEST_USER_ID or _is_taken(run.project, account, wanted):
        wanted = snapshot.stripe_id
    customer = customers.ensure(
        project=run.project, user_id=wanted, email=snapshot.email, name=snapshot.name, at=run.at
    )
    StripeCustomer.objects.for_project(run.project).get_or_create(
        account=account, stripe_id=snapshot.stripe_id, defaults={"customer": customer}
    )
    return True


def _is_taken(project: Project, account: StripeAccount, user_id: str) -> bool:
    """Whether another customer of this Stripe account has the ``user_id`` already."""
    rows = StripeCustomer.objects.for_project(project).filter(account=account, deleted_at=None)
    return rows.filter(customer__user_id=user_id).exists()


def _take_in(
    run: Run,
    account: StripeAccount,
    after: str,
    page: list[Listed],
    adopted: set[str],
    outcome: Outcome,
) -> None:
    """Store what differs. The page is read again once everything that differs is claimed."""
    claims = {
        each.stripe_id: _claim(run, account, each.stripe_id)
        for each in page
        if _differs(run, account, each, outcome, is_adopted=each.stripe_id in adopted)
    }
    for snapshot in _page(run, account, after) if claims else ():
        if isinstance(snapshot, Snapshot):
            claim = claims.pop(snapshot.stripe_id, None)
            outcome.waiting += claim is not None and not _store(claim, snapshot, run.at)
    for left in claims.values():
        outcome.waiting += 1
        if left is not None:
            sync_queue.release(left)


def _differs(
    run: Run, account: StripeAccount, listed: Listed, outcome: Outcome, *, is_adopted: bool
) -> bool:
    """Count what is listed; whether it can be read and our rows do not say what Stripe says.

    What cannot be read is left to the workers. They read it by itself, keep what is wrong with it,
    and park it if that does not pass.
    """
    run.tick()
    if isinstance(listed, Snapshot):
        return _sort(run, account, listed, outcome, is_adopted=is_adopted)
    _count_unreadable(outcome)
    if listed.stripe_id:
        sync_queue.mark(account_id=account.pk, kind=run.kind, stripe_id=listed.stripe_id)
    return False


def _count_unreadable(outcome: Outcome) -> None:
    outcome.listed += 1
    outcome.unreadable += 1


def _sort(
    run: Run,
    account: StripeAccount,
    snapshot: Snapshot,
    outcome: Outcome,
    *,
    is_adopted: bool = False,
    becomes_ours: bool = False,
) -> bool:
    """Count the object; whether our rows do not say what Stripe says."""
    outcome.listed += 1
    found = apply.compare(
        account=account,
        kind=run.kind,
        stripe_id=snapshot.stripe_id,
        snapshot=snapshot,
        at=run.at,
    )
    if found is None:
        outcome.new += becomes_ours
        outcome.foreign += not becomes_ours
        return False
    if not found.differences and not is_adopted:
        outcome.same += 1
        return False
    is_new = is_adopted or found.our_id is None
    outcome.new += is_new
    outcome.changed += not is_new
    return True


def _claim(run: Run, account: StripeAccount, stripe_id: str) -> Claim | None:
    """None while a worker is reading it."""
    sync_id, _ = sync_queue.mark(account_id=account.pk, kind=run.kind, stripe_id=stripe_id)
    return sync_queue.claim_one(sync_id=sync_id)


def _store(claim: Claim, snapshot: Snapshot, at: datetime) -> bool:
    try:
        return sync.store(claim, snapshot, at=at)
    except Exception as error:  # noqa: BLE001  # kept with the object: the workers try again
        sync.give_up(claim, error, at=at)
        log.warning("import_waits", kind=claim.kind, stripe_id=claim.stripe_id)
        return False
