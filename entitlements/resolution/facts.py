"""What a decision is made from: facts, their sources and reasons, definitions of features."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from entitlements.resolution.kinds import MOST_GENEROUS
from usage.periods import Unit

ALLOW, DENY = "allow", "deny"


class Reason(StrEnum):
    """Why the decision is what it is. The list is closed; callers may switch on it."""

    ENTITLED = "entitled"
    TRIAL = "trial"
    GRACE = "grace"
    GRANTED = "granted"
    FREE_TIER = "free_tier"
    NOT_ENTITLED = "not_entitled"
    REVOKED = "revoked"
    HELD = "held"
    LIMIT_REACHED = "limit_reached"
    CREDITS_EXHAUSTED = "credits_exhausted"
    UNKNOWN_FEATURE = "unknown_feature"


ALLOWING = (Reason.ENTITLED, Reason.GRANTED, Reason.TRIAL, Reason.GRACE, Reason.FREE_TIER)
"""Reasons of a permission. Of several, the decision names the first in this order."""

DENYING = (Reason.REVOKED, Reason.HELD)
"""Reasons of a denial, in the same way: revoked by a person, held by a bank dispute."""


class Source(NamedTuple):
    """The subscription, purchase, grant or free tier entry that states a fact."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class DecisionFact:
    """A fact as the resolution reads it: one reason why a customer may, or may not, use a
    feature."""

    source_type: str
    source_id: str
    effect: str
    feature: str
    value: Any
    reason: Reason
    starts_at: datetime
    ends_at: datetime | None = None
    anchored_at: datetime | None = None
    """Day and time on which its periods begin; None: ``starts_at``."""
    part: str = ""
    """Distinguishes two statements of one source about one feature, such as those of two
    products."""
    paid_until: datetime | None = None
    """Its anchored periods begin before this moment, because nothing later is paid; None: no
    bound."""

    @property
    def source(self) -> Source:
        return Source(self.source_type, self.source_id)

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """Everything about a feature that a decision depends on. It never changes."""

    code: str
    kind: str
    merge: str = MOST_GENEROUS
    meter_id: str | None = None
    period: Unit | None = None
    is_anchored: bool = False
    """Whether periods begin at the anchor of the deciding source instead of by the calendar."""
