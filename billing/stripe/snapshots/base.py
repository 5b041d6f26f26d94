"""What every snapshot starts with."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One object at Stripe. ``deleted`` objects carry nothing but their id."""

    stripe_id: str
    our_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    deleted: bool = False
    created_at: datetime | None = None
