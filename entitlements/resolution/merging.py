"""What the permissions of several sources come to, by the merge rule of the feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from entitlements.resolution import kinds
from entitlements.resolution.kinds import KINDS, PRIORITY, SUM, Kind, Value
from usage.periods import END

if TYPE_CHECKING:
    from entitlements.resolution.decision import Definition, Fact

RANKS = ("grant", "subscription", "checkout", "free_tier")
"""Whose word counts first where the rule is priority."""


def offers(holding: Sequence[Fact], kind: Kind) -> list[Fact]:
    """The permissions among the facts that hold; what is no value of the kind offers nothing."""
    return [fact for fact in holding if fact.effect == "allow" and kind.accepts(fact.value)]


def merged(offered: Sequence[Fact], definition: Definition) -> tuple[Value, list[Fact]]:
    """What is offered in all, and the facts that this follows from."""
    kind = KINDS[definition.kind]
    if not offered:
        return kind.nothing, []
    if definition.merge == SUM:
        return _sum(offered)
    if definition.merge == PRIORITY:
        first = min(map(order, offered))
        offered = [fact for fact in offered if order(fact) == first]
    best = kind.best([fact.value for fact in offered])
    return best, [fact for fact in offered if kinds.text(fact.value) == kinds.text(best)]


def _sum(offered: Sequence[Fact]) -> tuple[int | None, list[Fact]]:
    """One thing said twice is one thing."""
    said = list(dict.fromkeys(offered))
    value = kinds.total([fact.value for fact in said])
    deciding = [fact for fact in said if (fact.value is None if value is None else fact.value)]
    return value, deciding or said


def order(fact: Fact) -> tuple[Any, ...]:
    """The first by this comes first: by its kind of source, then the newest, then by id."""
    return RANKS.index(fact.source_type), END - fact.starts_at, fact.source_id
