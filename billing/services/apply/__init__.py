"""Stripe's word becomes our rows, what follows from them, and what the world is told.

Everything here runs inside the transaction of ``sync.store``: mirror rows, facts, the customer's
version, outbox events and marks commit together with ``applied``, or not at all. Applying the
same snapshot twice changes and emits nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models import StripeAccount
from billing.models.mirror import Mirror
from billing.selectors import owners
from billing.selectors.owners import Owner
from billing.services.apply import kinds
from billing.services.apply.mapper import DependencyMissing
from billing.services.apply.plan import Differences, Plan
from billing.stripe.snapshots import Snapshot

__all__ = ["Comparison", "DependencyMissing", "apply", "compare", "compare_gone", "customer_of"]


def apply(
    *,
    account: StripeAccount,
    kind: str,
    stripe_id: str,
    snapshot: Snapshot | None,
    at: datetime,
) -> Owner | None:
    """Make our rows say what Stripe says; None when the object belongs to nobody here.

    No snapshot, or a deleted one, means that the object is gone. Raises DependencyMissing.
    """
    mapper = kinds.of(kind).mapper
    if snapshot is None or snapshot.deleted:
        return _apply_gone(account, kind, stripe_id, at)
    owner: Owner | None = mapper.owner(account, snapshot)
    if owner is not None:
        customer = owner.lock()
        mapper.carry_out(mapper.plan(account, owner, snapshot), customer, at)
    return owner


def _apply_gone(account: StripeAccount, kind: str, stripe_id: str, at: datetime) -> Owner | None:
    mapper = kinds.of(kind).mapper
    row = owners.row_of(mapper.model, account=account, stripe_id=stripe_id)
    if row is None:
        return None
    owner = Owner(row.project_id, mapper.customer_id(row))
    customer = owner.lock()
    row.refresh_from_db()
    mapper.carry_out(Plan(row=row, values=mapper.gone(row, at)), customer, at)
    return owner


@dataclass(frozen=True, slots=True)
class Comparison:
    """One object at Stripe beside our row of it."""

    owner: Owner
    our_id: str | None
    """None when we have no row yet."""
    differences: Differences


def compare(*, account: StripeAccount, kind: str, snapshot: Snapshot) -> Comparison | None:
    """What :func:`apply` would change; None for a foreign object."""
    mapper = kinds.of(kind).mapper
    owner = mapper.owner(account, snapshot)
    if owner is None:
        return None
    planned: Plan[Any] = mapper.plan(account, owner, snapshot)
    return Comparison(owner, None if planned.is_new else planned.row.pk, planned.differences())


def compare_gone(*, kind: str, row: Mirror, at: datetime) -> Comparison:
    """What :func:`apply` would change in this row if Stripe does not know the object any more."""
    mapper = kinds.of(kind).mapper
    planned = Plan(row=row, values=mapper.gone(row, at))
    owner = Owner(row.project_id, mapper.customer_id(row))
    return Comparison(owner, row.pk, planned.differences())


def customer_of(snapshot: Snapshot | None) -> str:
    """The Stripe customer that the object names, if any."""
    return getattr(snapshot, "customer_stripe_id", None) or ""
