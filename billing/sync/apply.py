"""Apply a snapshot of Stripe's object: mirror rows, what follows from them, and outbox events.

All of it runs in the transaction of ``sync.store``: mirror rows, facts, the customer's version,
outbox events and sync requests commit together with ``applied``, or not at all. Applying the same
snapshot twice changes and emits nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models import StripeAccount
from billing.stripe.snapshots import StripeSnapshot
from billing.sync import erased, kinds
from billing.sync.mapper import DependencyMissing, Mapper
from billing.sync.plan import Differences, RowPlan
from billing.sync.selectors import owners
from billing.sync.selectors.owners import LockedOwners, Owner

__all__ = ["Comparison", "DependencyMissing", "apply", "compare", "customer_of"]


def apply(
    *,
    account: StripeAccount,
    kind: str,
    stripe_id: str,
    snapshot: StripeSnapshot | None,
    at: datetime,
    locked: LockedOwners | None = None,
) -> Owner | None:
    """Write what the snapshot says. Returns the owner; None if the object belongs to no project.

    No snapshot, or a deleted one, means that Stripe has deleted the object. ``locked`` are the
    customers that this transaction has locked already. Raises DependencyMissing.
    """
    mapper = kinds.of(kind).mapper
    owner = _owner(mapper, account, stripe_id, snapshot)
    if owner is None:
        return None
    customer = (locked or LockedOwners()).lock(owner)
    planned = _plan(mapper, account, owner, stripe_id, snapshot, at)
    if planned.needs is not None:
        raise DependencyMissing(*planned.needs)
    mapper.carry_out(planned, customer, at)
    return owner


@dataclass(frozen=True, slots=True)
class Comparison:
    """An object at Stripe compared with our row of it."""

    owner: Owner
    our_id: str | None
    """None when we have no row yet."""
    differences: Differences
    in_sync_at: datetime | None = None
    """When our row was last read from Stripe."""


def compare(
    *,
    account: StripeAccount,
    kind: str,
    stripe_id: str,
    snapshot: StripeSnapshot | None,
    at: datetime,
) -> Comparison | None:
    """Compute what :func:`apply` would change. None if the object belongs to no project."""
    mapper = kinds.of(kind).mapper
    owner = _owner(mapper, account, stripe_id, snapshot)
    if owner is None:
        return None
    planned = _plan(mapper, account, owner, stripe_id, snapshot, at)
    row = planned.row
    our_id, in_sync_at = (None, None) if planned.is_new else (row.pk, row.synced_at)
    return Comparison(owner, our_id, planned.differences(), in_sync_at)


def customer_of(snapshot: StripeSnapshot | None) -> str:
    """The Stripe customer that the object names, if any."""
    return getattr(snapshot, "customer_stripe_id", None) or ""


def _owner(
    mapper: Mapper[Any, Any],
    account: StripeAccount,
    stripe_id: str,
    snapshot: StripeSnapshot | None,
) -> Owner | None:
    if snapshot is not None and not snapshot.deleted:
        owner: Owner | None = mapper.owner(account, snapshot)
        return owner
    row = owners.row_of(mapper.model, account=account, stripe_id=stripe_id)
    return Owner(row.project_id, mapper.customer_id(row)) if row is not None else None


def _plan(
    mapper: Mapper[Any, Any],
    account: StripeAccount,
    owner: Owner,
    stripe_id: str,
    snapshot: StripeSnapshot | None,
    at: datetime,
) -> RowPlan[Any]:
    if snapshot is not None and not snapshot.deleted:
        return erased.without_person(mapper.plan(account, owner, snapshot), owner)
    row = owners.row_of(mapper.model, account=account, stripe_id=stripe_id)
    assert row is not None
    return RowPlan(row=row, values=mapper.gone(row, at))
