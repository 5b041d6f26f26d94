"""The way from facts to an answer, step by step: what ``explain=1`` and the console show.

Pure, as the resolution, and made of its parts: the answer at the end is what
:func:`resolution.resolve` and :func:`resolution.completed` say, never another one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from entitlements.resolution import decision as resolution
from entitlements.resolution import merging, wording
from entitlements.resolution.decision import (
    ALLOW,
    DENY,
    Decision,
    Definition,
    Fact,
    Figures,
    Source,
)
from entitlements.resolution.kinds import KINDS


class StepName(StrEnum):
    """In this order; those that do not apply are left out."""

    FACTS = "facts"
    TIME = "time"
    DENIALS = "denials"
    MERGE = "merge"
    FREE_TIER = "free_tier"
    METERING = "metering"
    CREDITS = "credits"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: in words, with the facts that it is about and what it found."""

    name: StepName
    text: str
    facts: Sequence[Fact] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer, the steps to it, and both in one sentence."""

    decision: Decision
    steps: Sequence[Step]
    sentence: str


def explain(
    facts: Iterable[Fact],
    *,
    feature: str,
    definition: Definition | None,
    at: datetime,
    version: int = 0,
    figures: Figures | None = None,
    silent: Sequence[Source] = (),
) -> Explanation:
    """The whole answer about one feature and how it came about.

    Without a definition the project has no such feature. ``silent`` are sources that gave the
    customer something and no longer do.
    """
    about = sorted((fact for fact in facts if fact.feature == feature), key=_reading_order)
    if definition is None:
        decision = resolution.unknown(feature, version=version)
        sentence = wording.sentence(decision, None, at=at)
        return Explanation(decision, [Step(StepName.ANSWER, sentence)], sentence)
    figures = figures or Figures()
    static = resolution.resolve(about, definition=definition, at=at, version=version)
    decision = resolution.completed(static, figures=figures, at=at)
    sentence = wording.sentence(decision, definition, at=at, facts=about, figures=figures)
    steps = [
        _facts(about, silent),
        *_time(about, at),
        *_weighing([fact for fact in about if fact.holds(at)], definition, static),
        *_metering(decision, figures, at),
        *_credits(decision, figures),
        Step(StepName.ANSWER, sentence),
    ]
    return Explanation(decision, steps, sentence)


def _reading_order(fact: Fact) -> tuple[Any, ...]:
    ends_at = fact.ends_at.isoformat() if fact.ends_at else ""
    return fact.starts_at, fact.source, fact.part, fact.effect, ends_at, repr(fact.value)


def _facts(about: Sequence[Fact], silent: Sequence[Source]) -> Step:
    text = f"{wording.count(about, 'fact')} about it."
    if silent:
        text += f" Nothing more comes from {wording.sources(silent)}."
    data = {"silent": [{"type": each.type, "id": each.id} for each in silent]}
    return Step(StepName.FACTS, text, about, data)


def _time(about: Sequence[Fact], at: datetime) -> Iterable[Step]:
    resting = [fact for fact in about if not fact.holds(at)]
    if not about:
        return
    later = sum(at < fact.starts_at for fact in resting)
    data = {"holding": len(about) - len(resting), "later": later, "over": len(resting) - later}
    text = "{holding} hold, {later} begin later, {over} are over.".format_map(data)
    yield Step(StepName.TIME, text, resting, data)


def _weighing(holding: Sequence[Fact], definition: Definition, static: Decision) -> Iterable[Step]:
    if denials := [fact for fact in holding if fact.effect == DENY]:
        named = wording.sources({fact.source for fact in denials})
        yield Step(StepName.DENIALS, f"Taken away by {named}: that beats what gives it.", denials)
        return
    offers = merging.offers(holding, KINDS[definition.kind])
    allowing = sum(fact.effect == ALLOW for fact in holding)
    data = {"rule": definition.merge, "ignored": allowing - len(offers), "value": static.value}
    if allowing:
        yield Step(StepName.MERGE, wording.merge(definition, offers, static), offers, data)
    if free := [fact for fact in offers if fact.source_type == "free_tier"]:
        decides = any(fact.source in static.sources for fact in free)
        text = "The free tier counts." if decides else "Something else is worth more."
        yield Step(StepName.FREE_TIER, text, free, {"decides": decides})


def _metering(decision: Decision, figures: Figures, at: datetime) -> Iterable[Step]:
    if decision.metering is None:
        return
    window = decision.metering.period.window(at)
    data = {
        "meter": decision.metering.meter_id,
        "period": decision.metering.period.unit.value,
        "starts_at": window.starts_at,
        "resets_at": decision.metering.period.resets_at(at),
        "limit": decision.limit,
        "used": figures.used,
        "reserved": figures.reserved,
        "remaining": decision.remaining,
    }
    yield Step(StepName.METERING, wording.metering(decision, figures), data=data)


def _credits(decision: Decision, figures: Figures) -> Iterable[Step]:
    if not decision.is_priced or decision.value is None:
        return
    data = {
        "cost": decision.value,
        "balance": figures.balance,
        "remaining": decision.remaining,
    }
    yield Step(StepName.CREDITS, wording.credits(decision, figures), data=data)
