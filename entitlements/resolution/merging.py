"""Merge the permissions of several sources into one value, by the merge rule of the feature."""

from collections.abc import Sequence
from typing import Any

from entitlements.resolution import kinds
from entitlements.resolution.facts import ALLOW, DecisionFact, FeatureDefinition
from entitlements.resolution.kinds import KINDS, PRIORITY, SUM, FeatureKindRules, Value
from usage.periods import END

RANKS = ("grant", "subscription", "checkout", "free_tier")
"""Types of source in order of precedence, for the merge rule ``priority``."""


def find_permissions(holding: Sequence[DecisionFact], kind: FeatureKindRules) -> list[DecisionFact]:
    """The facts that allow, among those that hold. A fact whose value is not of the kind gives
    nothing."""
    return [fact for fact in holding if fact.effect == ALLOW and kind.accepts(fact.value)]


def merge_permissions(
    permissions: Sequence[DecisionFact], definition: FeatureDefinition
) -> tuple[Value, list[DecisionFact]]:
    """The merged value, and the facts that it follows from."""
    kind = KINDS[definition.kind]
    if not permissions:
        return kind.nothing, []
    if definition.merge == SUM:
        return _add_up(permissions)
    if definition.merge == PRIORITY:
        first_rank = min(map(rank_fact, permissions))
        permissions = [fact for fact in permissions if rank_fact(fact) == first_rank]
    value = kind.best([fact.value for fact in permissions])
    return value, [
        fact
        for fact in permissions
        if kinds.canonical_json(fact.value) == kinds.canonical_json(value)
    ]


def _add_up(permissions: Sequence[DecisionFact]) -> tuple[int | None, list[DecisionFact]]:
    """The sum of the values; equal facts count once."""
    distinct = list(dict.fromkeys(permissions))
    value = kinds.add_limits([fact.value for fact in distinct])
    deciding = [fact for fact in distinct if (fact.value is None if value is None else fact.value)]
    return value, deciding or distinct


def rank_fact(fact: DecisionFact) -> tuple[Any, ...]:
    """Sort key: the type of source, then the newest fact, then the id of the source. Lowest
    first."""
    return RANKS.index(fact.source_type), END - fact.starts_at, fact.source_id
