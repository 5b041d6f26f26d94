"""The functions that each mirrored kind provides, so that one function can apply every kind."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Generic, TypeVar

from billing.models import StripeAccount
from billing.models.mirror import Mirror
from billing.stripe.snapshots import StripeSnapshot
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors.owners import Owner
from projects.models import Customer

SnapshotT = TypeVar("SnapshotT", bound=StripeSnapshot)
RowT = TypeVar("RowT", bound=Mirror)


class DependencyMissing(Exception):
    """The object cannot be stored until another object is mirrored."""

    def __init__(self, kind: str, stripe_id: str) -> None:
        super().__init__(f"Waits for {kind} {stripe_id}, which is not mirrored yet.")
        self.kind = kind
        self.stripe_id = stripe_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapper(Generic[SnapshotT, RowT]):
    """The parts of :func:`billing.sync.apply.apply` that differ between kinds.

    ``plan`` reads and never writes. ``carry_out`` writes the plan and what follows from it; it
    runs in the transaction of the caller, who holds the customer's lock if there is a customer.
    """

    model: type[RowT]
    owner: Callable[[StripeAccount, SnapshotT], Owner | None]
    """The owner of the object; None for a foreign one."""
    plan: Callable[[StripeAccount, Owner, SnapshotT], RowPlan[RowT]]
    gone: Callable[[RowT, datetime], Values]
    """The values of our row after Stripe has deleted the object."""
    carry_out: Callable[[RowPlan[RowT], Customer | None, datetime], None]
    customer_id: Callable[[RowT], str | None] = attrgetter("customer_id")
    """The customer whose state the row is part of."""
