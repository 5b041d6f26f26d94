"""The Stripe account itself, and its events."""

from dataclasses import dataclass
from datetime import datetime

from billing.stripe.snapshots.base import Checked


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSnapshot(Checked):
    """One entry of Stripe's list of events; ``payload`` is the complete event as plain data."""

    stripe_id: str
    type: str
    created_at: datetime
    payload: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot(Checked):
    """The account behind a secret key."""

    stripe_id: str
    name: str
    country: str
    charges_enabled: bool
