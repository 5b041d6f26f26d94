"""The steps from facts to a decision: what ``explain=1`` and the console show.

Pure. The decision at the end is always the one of :func:`resolution.resolve` and
:func:`resolution.complete_decision`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from entitlements.resolution import decision as resolution
from entitlements.resolution import merging, wording
from entitlements.resolution.decision import Decision, DecisionAmounts
from entitlements.resolution.facts import ALLOW, DENY, DecisionFact, FeatureDefinition, Source
from entitlements.resolution.kinds import KINDS


class ExplanationStepName(StrEnum):
    """The steps in their order; those that do not apply are left out."""

    FACTS = "facts"
    TIME = "time"
    DENIALS = "denials"
    MERGE = "merge"
    FREE_TIER = "free_tier"
    METERING = "metering"
    CREDITS = "credits"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class ExplanationStep:
    """One step: its text, the facts that it is about, and its result as data."""

    name: ExplanationStepName
    text: str
    facts: Sequence[DecisionFact] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, the steps to it, and a one-sentence summary."""

    decision: Decision
    steps: Sequence[ExplanationStep]
    sentence: str


def explain(
    facts: Iterable[DecisionFact],
    *,
    feature: str,
    definition: FeatureDefinition | None,
    at: datetime,
    version: int = 0,
    amounts: DecisionAmounts | None = None,
    ended_sources: Sequence[Source] = (),
) -> Explanation:
    """The complete decision about one feature, with its explanation.

    Without a definition the project has no such feature. ``ended_sources`` are sources that gave
    the customer something and no longer do.
    """
    about = sorted((fact for fact in facts if fact.feature == feature), key=_reading_order)
    if definition is None:
        decision = resolution.decide_unknown_feature(feature, version=version)
        sentence = wording.write_sentence(decision, None, at=at)
        return Explanation(
            decision, [ExplanationStep(ExplanationStepName.ANSWER, sentence)], sentence
        )
    amounts = amounts or DecisionAmounts()
    static = resolution.resolve(about, definition=definition, at=at, version=version)
    decision = resolution.complete_decision(static, amounts=amounts, at=at)
    sentence = wording.write_sentence(decision, definition, at=at, facts=about, amounts=amounts)
    steps = [
        _explain_facts(about, ended_sources),
        *_explain_time(about, at),
        *_explain_merge([fact for fact in about if fact.holds(at)], definition, static),
        *_explain_metering(decision, amounts, at),
        *_explain_credits(decision, amounts),
        ExplanationStep(ExplanationStepName.ANSWER, sentence),
    ]
    return Explanation(decision, steps, sentence)


def _reading_order(fact: DecisionFact) -> tuple[Any, ...]:
    ends_at = fact.ends_at.isoformat() if fact.ends_at else ""
    return fact.starts_at, fact.source, fact.part, fact.effect, ends_at, repr(fact.value)


def _explain_facts(
    about: Sequence[DecisionFact], ended_sources: Sequence[Source]
) -> ExplanationStep:
    text = f"{wording.count_noun(about, 'fact')} about it."
    if ended_sources:
        text += f" Nothing more comes from {wording.name_sources(ended_sources)}."
    data = {"silent": [{"type": source.type, "id": source.id} for source in ended_sources]}
    return ExplanationStep(ExplanationStepName.FACTS, text, about, data)


def _explain_time(about: Sequence[DecisionFact], at: datetime) -> Iterable[ExplanationStep]:
    resting = [fact for fact in about if not fact.holds(at)]
    if not about:
        return
    later = sum(at < fact.starts_at for fact in resting)
    data = {"holding": len(about) - len(resting), "later": later, "over": len(resting) - later}
    text = "{holding} hold, {later} begin later, {over} are over.".format_map(data)
    yield ExplanationStep(ExplanationStepName.TIME, text, resting, data)


def _explain_merge(
    holding: Sequence[DecisionFact], definition: FeatureDefinition, static: Decision
) -> Iterable[ExplanationStep]:
    if denials := [fact for fact in holding if fact.effect == DENY]:
        names = wording.name_sources({fact.source for fact in denials})
        yield ExplanationStep(
            ExplanationStepName.DENIALS,
            f"Taken away by {names}: that beats what gives it.",
            denials,
        )
        return
    permissions = merging.find_permissions(holding, KINDS[definition.kind])
    allowing = sum(fact.effect == ALLOW for fact in holding)
    data = {"rule": definition.merge, "ignored": allowing - len(permissions), "value": static.value}
    if allowing:
        yield ExplanationStep(
            ExplanationStepName.MERGE,
            wording.describe_merge(definition, permissions, static),
            permissions,
            data,
        )
    if free_tier_facts := [fact for fact in permissions if fact.source_type == "free_tier"]:
        decides = any(fact.source in static.sources for fact in free_tier_facts)
        text = "The free tier counts." if decides else "Something else is worth more."
        yield ExplanationStep(
            ExplanationStepName.FREE_TIER, text, free_tier_facts, {"decides": decides}
        )


def _explain_metering(
    decision: Decision, amounts: DecisionAmounts, at: datetime
) -> Iterable[ExplanationStep]:
    if decision.metering is None:
        return
    window = decision.metering.period.window(at)
    data = {
        "meter": decision.metering.meter_id,
        "period": decision.metering.period.unit.value,
        "starts_at": window.starts_at,
        "resets_at": decision.metering.period.resets_at(at),
        "limit": decision.limit,
        "used": amounts.used,
        "reserved": amounts.reserved,
        "remaining": decision.remaining,
    }
    yield ExplanationStep(
        ExplanationStepName.METERING, wording.describe_metering(decision, amounts), data=data
    )


def _explain_credits(decision: Decision, amounts: DecisionAmounts) -> Iterable[ExplanationStep]:
    if not decision.is_priced or decision.value is None:
        return
    data = {
        "cost": decision.value,
        "balance": amounts.balance,
        "remaining": decision.remaining,
    }
    yield ExplanationStep(
        ExplanationStepName.CREDITS, wording.describe_credits(decision, amounts), data=data
    )
