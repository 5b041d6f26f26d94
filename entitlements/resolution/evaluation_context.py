"""The moment at which a decision is evaluated, and the facts that are assumed for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from entitlements.resolution.facts import DecisionFact


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """``at`` is the moment of the decision, ``now`` the moment of the request.

    A moment in the past is evaluated with what was recorded by then, a moment in the future with
    what is recorded now. ``assumed_facts`` count although nobody has stated them.
    """

    at: datetime
    now: datetime
    assumed_facts: Sequence[DecisionFact] = ()

    @property
    def recorded_by(self) -> datetime | None:
        """Facts recorded after this moment do not count; None: all facts count."""
        return self.at if self.at < self.now else None

    def adjust_facts(self, facts: Iterable[DecisionFact]) -> list[DecisionFact]:
        """The facts as they count at ``at``. For a future moment, renewals that are not due yet
        are taken as paid."""
        if self.at <= self.now:
            return list(facts)
        return [
            replace(fact, paid_until=None)
            if fact.paid_until is not None and self.now < fact.paid_until
            else fact
            for fact in facts
        ]


def build_context(now: datetime) -> EvaluationContext:
    """The context of a decision that is evaluated now."""
    return EvaluationContext(at=now, now=now)
