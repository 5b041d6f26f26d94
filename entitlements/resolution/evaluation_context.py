"""From where one looks at what somebody may do: at which moment, and with what assumed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from entitlements.resolution.decision import Fact


@dataclass(frozen=True, slots=True)
class Outlook:
    """The moment that is asked about, the moment of asking, and facts that are not there.

    Of the past it is what was known then; of the future, what is known now.
    """

    at: datetime
    now: datetime
    assumed: Sequence[Fact] = ()

    @property
    def known_by(self) -> datetime | None:
        """What came later does not count; None for all that is known."""
        return self.at if self.at < self.now else None

    def expected(self, facts: Iterable[Fact]) -> list[Fact]:
        """The facts as they count from here: of the future it is taken that periods will be paid
        whose renewal has not come yet."""
        if self.at <= self.now:
            return list(facts)
        return [
            replace(fact, paid_until=None)
            if fact.paid_until is not None and self.now < fact.paid_until
            else fact
            for fact in facts
        ]


def present(now: datetime) -> Outlook:
    return Outlook(at=now, now=now)
