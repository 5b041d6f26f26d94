"""The window in which an anchored quota is counted, and how far that window is paid.

A fact of a subscription has ``paid_until``: the end of the time that is paid. A window counts when
it begins before that moment. When the last such window is over and nothing later is paid, that
window is extended (``usage.periods``). The rule stands in ``docs/entitlements.md``.
"""

from collections.abc import Sequence
from datetime import datetime

from entitlements.resolution import merging
from entitlements.resolution.facts import DecisionFact, FeatureDefinition
from entitlements.resolution.kinds import SUM
from usage.periods import Period


def find_period(
    deciding: Sequence[DecisionFact], definition: FeatureDefinition, *, at: datetime
) -> tuple[Period, datetime | None]:
    """The period whose window is counted at ``at``, and when time alone selects another window.

    Facts that add up need the payment of each of them. Of facts with the same value one is enough,
    so a source whose window is paid goes before one that waits for payment; then the first source
    by :func:`merging.rank_fact` gives the anchor.
    """
    if definition.merge == SUM:
        first_facts = _facts_of_first_source(deciding)
        return _period_of_facts(first_facts, _earliest_paid_until(deciding), definition, at)
    candidates = [_facts_of_source(fact, deciding) for fact in _one_fact_per_source(deciding)]
    for facts in candidates:
        period, until = _period_of_facts(facts, _earliest_paid_until(facts), definition, at)
        if period.extended_from is None:
            return period, until
    return _period_of_facts(candidates[0], _earliest_paid_until(candidates[0]), definition, at)


def _period_of_facts(
    facts: Sequence[DecisionFact],
    paid_until: datetime | None,
    definition: FeatureDefinition,
    at: datetime,
) -> tuple[Period, datetime | None]:
    assert definition.period is not None
    regular = Period(definition.period, min(fact.anchored_at or fact.starts_at for fact in facts))
    if paid_until is None:
        return regular, None
    paid_period = regular.extend_unpaid(paid_until, at=at)
    return paid_period, regular.paid_window(paid_until).ends_at if paid_period == regular else None


def _facts_of_first_source(deciding: Sequence[DecisionFact]) -> list[DecisionFact]:
    return _facts_of_source(_one_fact_per_source(deciding)[0], deciding)


def _one_fact_per_source(deciding: Sequence[DecisionFact]) -> list[DecisionFact]:
    """One fact of each source, in the order of :func:`merging.rank_fact`."""
    return sorted(
        {merging.rank_fact(fact): fact for fact in deciding}.values(), key=merging.rank_fact
    )


def _facts_of_source(
    source_fact: DecisionFact, deciding: Sequence[DecisionFact]
) -> list[DecisionFact]:
    return [fact for fact in deciding if merging.rank_fact(fact) == merging.rank_fact(source_fact)]


def _earliest_paid_until(facts: Sequence[DecisionFact]) -> datetime | None:
    return min((fact.paid_until for fact in facts if fact.paid_until is not None), default=None)
