"""In which window an anchored quota is: by the facts that decide, and as far as they are paid.

A fact of a subscription says until when its money is there (``paid_until``). A window that has
begun by then counts; when it is over and nothing later is paid, it goes on (``usage.periods``).
The rule stands in ``docs/entitlements.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from entitlements.resolution import merging
from entitlements.resolution.kinds import SUM
from usage.periods import Period

if TYPE_CHECKING:
    from entitlements.resolution.decision import Definition, Fact


def period(
    deciding: Sequence[Fact], definition: Definition, *, at: datetime
) -> tuple[Period, datetime | None]:
    """The period whose window is counted at ``at``, and when time alone makes it another one.

    Facts that add up wait for the money of each of them. Of facts that say the same any one is
    enough, so one whose window is paid goes before one that waits; then the first by
    :func:`merging.order` gives the anchor.
    """
    if definition.merge == SUM:
        first = _first(deciding)
        return _at(first, _paid_until(deciding), definition, at)
    candidates = [_of_source(fact, deciding) for fact in _sources(deciding)]
    for facts in candidates:
        found, until = _at(facts, _paid_until(facts), definition, at)
        if found.extended_from is None:
            return found, until
    return _at(candidates[0], _paid_until(candidates[0]), definition, at)


def _at(
    facts: Sequence[Fact], paid_until: datetime | None, definition: Definition, at: datetime
) -> tuple[Period, datetime | None]:
    assert definition.period is not None
    regular = Period(definition.period, min(fact.anchored_at or fact.starts_at for fact in facts))
    if paid_until is None:
        return regular, None
    found = regular.paid(paid_until, at=at)
    return found, regular.paid_window(paid_until).ends_at if found == regular else None


def _first(deciding: Sequence[Fact]) -> list[Fact]:
    return _of_source(_sources(deciding)[0], deciding)


def _sources(deciding: Sequence[Fact]) -> list[Fact]:
    """One fact of each source, in order."""
    return sorted({merging.order(fact): fact for fact in deciding}.values(), key=merging.order)


def _of_source(of: Fact, deciding: Sequence[Fact]) -> list[Fact]:
    return [fact for fact in deciding if merging.order(fact) == merging.order(of)]


def _paid_until(facts: Sequence[Fact]) -> datetime | None:
    return min((fact.paid_until for fact in facts if fact.paid_until is not None), default=None)
