"""The third net: list everything at Stripe, compare, and read again what differs.

Compared is what applying would change, by the same code; repaired is by the same sync that
follows every event. A difference counts only if reading the single object confirms it, for lists
at Stripe may lag behind and rows here may change while a list is read. What was used of metered
prices is compared too and only shown (``usage_reconciliation``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from billing.models import StripeAccount
from billing.selectors import stripe_accounts
from billing.services import apply, sync, usage_reconciliation
from billing.services.apply import Comparison
from billing.services.apply.kinds import KINDS, Mirrored
from billing.services.apply.plan import Differences
from billing.stripe.client import client_for
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripeMalformed,
    StripeObjectMissing,
    StripePermissionMissing,
    StripeRefused,
)
from billing.stripe.snapshots import Snapshot, UnreadableObject
from common.errors import DomainError
from common.locks import only_one
from projects.models import Project

log = structlog.get_logger(__name__)

Ticker = Callable[[], object]
OnFailure = Callable[[str, DomainError], object]
"""Told what could not be compared, a kind or one object of it, and why."""


def _raise(what: str, error: DomainError) -> None:
    raise error


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


def compare(
    *,
    account: StripeAccount,
    at: datetime,
    project: Project | None = None,
    tick: Ticker = lambda: None,
    on_failure: OnFailure = _raise,
) -> Iterator[Finding]:
    """Every confirmed difference, in both directions, owners before what they own.

    ``tick`` is called for each object looked at. A finding that is repaired before the next one
    is asked for counts from then on. What cannot be listed or read is given to ``on_failure``, and
    the other kinds and objects are compared all the same; without it the first failure is raised.
    Raises StripeCredentialsRefused, and StripeAccountMismatch for a key of another account.
    """
    client_for(account)  # refuses a key of another account before anything is compared
    for mirrored in KINDS.values():
        try:
            yield from _compare_kind(account, mirrored, project, at, tick, on_failure)
        except StripePermissionMissing as error:
            on_failure(mirrored.kind, error)
        except StripeCredentialsRefused:
            raise
        except DomainError as error:
            on_failure(mirrored.kind, error)


def _compare_kind(
    account: StripeAccount,
    mirrored: Mirrored,
    project: Project | None,
    at: datetime,
    tick: Ticker,
    on_failure: OnFailure,
) -> Iterator[Finding]:
    """Raises what Stripe's errors are sorted into when the list cannot be read to its end."""
    listed: set[str] = set()
    for snapshot in mirrored.iterate(client_for(account)):
        listed.add(snapshot.stripe_id)
        tick()
        if isinstance(snapshot, UnreadableObject) and not snapshot.stripe_id:
            on_failure(f"{mirrored.kind} without an id", snapshot.error)
        elif isinstance(snapshot, UnreadableObject) or _compare(
            account, mirrored, snapshot.stripe_id, snapshot, project, at
        ):
            yield from _confirm(account, mirrored, snapshot.stripe_id, project, at, on_failure)
    for stripe_id in _unlisted(account, mirrored, listed):
        tick()
        if _compare(account, mirrored, stripe_id, None, project, at):
            yield from _confirm(account, mirrored, stripe_id, project, at, on_failure)


def repair(*, finding: Finding, at: datetime) -> None:
    """Read the object again and apply it. Raises what :func:`sync.now` does."""
    sync.now(account=finding.account, kind=finding.kind, stripe_id=finding.stripe_id, at=at)


def repair_everything(*, at: datetime) -> Outcome:
    """Compare and repair every account; what fails is logged and does not stop the rest.

    Does nothing while another pass is under way.
    """
    outcome = Outcome()
    with only_one("billing.reconcile") as is_ours:
        if not is_ours:
            log.info("reconcile_is_running")
            return outcome
        for account in accounts():
            _repair_account(account, outcome, at)
    log.info(
        "reconciled",
        compared=outcome.compared,
        found=outcome.found,
        failures=outcome.failures,
    )
    return outcome


def _repair_account(account: StripeAccount, outcome: Outcome, at: datetime) -> None:
    def tick() -> None:
        outcome.compared += 1

    def on_failure(what: str, error: DomainError) -> None:
        outcome.failures.append(f"{account.pk}: {what}: {error.code}")

    try:
        for finding in compare(account=account, at=at, tick=tick, on_failure=on_failure):
            outcome.found += 1
            log.warning("difference", finding=str(finding))
            _try_repair(finding, outcome, at)
        for difference in usage_reconciliation.compare(
            account=account, at=at, tick=tick, on_failure=on_failure
        ):
            outcome.found += 1
            log.warning("usage_difference", finding=str(difference))
            outcome.failures.append(str(difference))
    except DomainError as error:
        outcome.failures.append(f"{account.pk}: {error.code}")


def _try_repair(finding: Finding, outcome: Outcome, at: datetime) -> None:
    try:
        repair(finding=finding, at=at)
    except Exception as error:  # noqa: BLE001  # kept with the object: see its last_error
        outcome.failures.append(f"{finding.kind} {finding.stripe_id}: {type(error).__name__}")


def _compare(
    account: StripeAccount,
    mirrored: Mirrored,
    stripe_id: str,
    snapshot: Snapshot | None,
    project: Project | None,
    at: datetime,
) -> Comparison | None:
    """The comparison, if something differs and it is an owner who was asked about."""
    found = apply.compare(
        account=account, kind=mirrored.kind, stripe_id=stripe_id, snapshot=snapshot, at=at
    )
    if found is None or not found.differences:
        return None
    return found if project is None or found.owner.project_id == project.pk else None


def _unlisted(account: StripeAccount, mirrored: Mirrored, listed: set[str]) -> Iterator[str]:
    """Objects of which we have a row and Stripe's list has nothing."""
    rows = mirrored.mapper.model.objects.across_projects().filter(
        account=account, stripe_id__isnull=False
    )
    for stripe_id in rows.values_list("stripe_id", flat=True).iterator(chunk_size=1000):
        if stripe_id not in listed:
            yield stripe_id


def _confirm(
    account: StripeAccount,
    mirrored: Mirrored,
    stripe_id: str,
    project: Project | None,
    at: datetime,
    on_failure: OnFailure,
) -> Iterator[Finding]:
    """The difference, if it is still there when the object itself is read."""
    snapshot: Snapshot | None
    try:
        snapshot = mirrored.retrieve(client_for(account), stripe_id)
    except StripeObjectMissing:
        snapshot = None
    except (StripeMalformed, StripeRefused) as error:
        on_failure(f"{mirrored.kind} {stripe_id}", error)
        return
    found = _compare(account, mirrored, stripe_id, snapshot, project, at)
    if found is not None:
        yield Finding(
            account=account,
            kind=mirrored.kind,
            stripe_id=stripe_id,
            project_id=found.owner.project_id,
            our_id=found.our_id,
            differences=found.differences,
            is_gone=snapshot is None or snapshot.deleted,
        )
