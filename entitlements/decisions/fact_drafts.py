"""A fact that a source is about to state, before it is a row."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from entitlements.models.fact import Effect
from entitlements.resolution.facts import ALLOWING, DENYING, DecisionFact, Reason, Source


@dataclass(frozen=True, slots=True)
class FactDraft:
    """One statement of a source about one feature, valid over ``[starts_at, ends_at)``.

    ``value`` is a value of the feature's kind. ``part`` distinguishes two statements of one source
    about the same feature, such as those of two products. The periods of a metered feature begin
    at ``anchored_at`` (at ``starts_at`` without one), and only before ``paid_until`` when that is
    set. Raises ValueError for a reason that does not belong to the effect.
    """

    feature_id: str
    value: Any
    reason: Reason
    starts_at: datetime
    ends_at: datetime | None = None
    effect: Effect = Effect.ALLOW
    anchored_at: datetime | None = None
    part: str = ""
    paid_until: datetime | None = None

    def __post_init__(self) -> None:
        allowed_reasons = ALLOWING if self.effect == Effect.ALLOW else DENYING
        if self.reason not in allowed_reasons:
            raise ValueError(f"A fact that {self.effect}s cannot have the reason {self.reason}.")

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal statements. Values are compared as JSON, so true is not 1."""
        return (
            self.feature_id,
            json.dumps(self.value, sort_keys=True),
            str(self.reason),
            self.starts_at,
            self.ends_at,
            str(self.effect),
            self.anchored_at,
            self.part,
            self.paid_until,
        )

    def to_decision_fact(self, source: Source, *, feature: str) -> DecisionFact:
        """The fact that a decision reads if ``source`` states this; ``feature`` is a code."""
        return DecisionFact(
            source_type=source.type,
            source_id=source.id,
            effect=self.effect,
            feature=feature,
            value=self.value,
            reason=self.reason,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            anchored_at=self.anchored_at,
            part=self.part,
            paid_until=self.paid_until,
        )
