"""What every snapshot starts with."""

from dataclasses import dataclass, field
from datetime import datetime

from billing.stripe.snapshots import member_types
from common.errors import DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Data whose members have the types that they are declared with, or there is none."""

    def __post_init__(self) -> None:
        """Raises TypeError."""
        member_types.check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSnapshot(Checked):
    """One object at Stripe. ``deleted`` objects carry nothing but their id."""

    stripe_id: str
    our_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    deleted: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableObject:
    """One object of a list that could not be read; the others of the list were.

    ``stripe_id`` is empty where the list gave not even an id. ``error`` says why.
    """

    stripe_id: str
    error: DomainError
