"""Base classes of all snapshots."""

from dataclasses import dataclass, field
from datetime import datetime

from billing.stripe.snapshots import member_types
from common.errors import DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Check on creation that all members have their declared types."""

    def __post_init__(self) -> None:
        """Raises TypeError for a member of another type."""
        member_types.check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSnapshot(Checked):
    """One object at Stripe. A ``deleted`` object has nothing but its id."""

    stripe_id: str
    our_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    deleted: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableObject:
    """One object of a list that could not be read; the other objects of the list were read.

    ``stripe_id`` is empty if the list gave no id. ``error`` is the reason.
    """

    stripe_id: str
    error: DomainError
