"""Answers in plain English: one sentence each, and the words of its steps."""

from collections.abc import Iterable, Sequence, Sized
from datetime import datetime

from common.times import rfc3339
from entitlements.resolution import kinds
from entitlements.resolution.decision import (
    ALLOW,
    Decision,
    Definition,
    Fact,
    Figures,
    Reason,
    Source,
)
from entitlements.resolution.kinds import MOST_GENEROUS, PRIORITY, SUM

SOURCES = {
    "subscription": "subscription",
    "checkout": "purchase",
    "grant": "grant",
    "free_tier": "free tier",
}
BECAUSE = {
    Reason.ENTITLED: "bought with {sources}",
    Reason.TRIAL: "on trial with {sources}",
    Reason.GRACE: "for the days of grace after a payment for {sources} failed",
    Reason.GRANTED: "given by hand with {sources}",
    Reason.FREE_TIER: "as everybody has it in the free tier",
}
MERGES = {
    MOST_GENEROUS: "The most generous of {offers}",
    SUM: "The sum of {offers}",
    PRIORITY: "The first of {offers} (grant, subscription, purchase, free tier; then the newest)",
}


def sentence(
    decision: Decision,
    definition: Definition | None,
    *,
    at: datetime,
    facts: Sequence[Fact] = (),
    figures: Figures | None = None,
) -> str:
    """Whether, how much, why, and until when; one sentence."""
    figures = figures or Figures()
    if definition is None:
        return f"No: the project has no feature {decision.feature}."
    if decision.allowed:
        because = BECAUSE[decision.reason].format(sources=sources(decision.sources))
        until = f", until {rfc3339(decision.valid_until)}" if decision.valid_until else ""
        return f"Yes: {_amount(decision, definition, figures)}, {because}{until}."
    return f"No: {_refusal(decision, definition, facts, figures, at)}."


def sources(found: Iterable[Source]) -> str:
    """``subscription sub_1 and grant grant_2``."""
    names = [f"{SOURCES[each.type]} {each.id}" for each in sorted(found)]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def count(of: Sized, noun: str) -> str:
    return f"{len(of)} {noun}" if len(of) == 1 else f"{len(of) or 'No'} {noun}s"


def merge(definition: Definition, offers: Sequence[Fact], static: Decision) -> str:
    said = MERGES[definition.merge].format(offers=count(offers, "offer").lower())
    return f"{said}: {_value(static)}."


def metering(decision: Decision, figures: Figures) -> str:
    left = "" if decision.remaining is None else f", {decision.remaining} left"
    said = f"{figures.used} used, {figures.reserved} set aside{left}."
    if decision.metering is None or decision.metering.period.extended_from is None:
        return said
    return f"{said} The last paid period goes on until the next one is paid."


def credits(decision: Decision, figures: Figures) -> str:
    uses = "any number of uses" if decision.remaining is None else f"{decision.remaining} uses"
    return f"A use costs {decision.value} credits; a balance of {figures.balance} pays for {uses}."


def _value(decision: Decision) -> str:
    if decision.value is None:
        return "nothing" if not decision.allowed or decision.is_priced else "no limit"
    return kinds.text(decision.value)


def _amount(decision: Decision, definition: Definition, figures: Figures) -> str:
    name = definition.code
    if definition.kind == "boolean":
        return f"{name} is on"
    if definition.kind == "credits":
        return f"a use of {name} costs {decision.value} credits out of {figures.balance}"
    if definition.kind == "config":
        return f"{name} is {kinds.text(decision.value)}"
    limit = "has no limit" if decision.limit is None else f"goes up to {decision.limit}"
    if definition.period is None:
        return f"{name} {limit}"
    used = f"{figures.used} used" if decision.used is not None else "not counted"
    return f"{name} {limit} per {definition.period.value} ({used})"


def _refusal(
    decision: Decision,
    definition: Definition,
    facts: Sequence[Fact],
    figures: Figures,
    at: datetime,
) -> str:
    name, named = definition.code, sources(decision.sources)
    if decision.reason is Reason.REVOKED:
        return f"{name} was taken away with {named}, which beats whatever gives it"
    if decision.reason is Reason.HELD:
        return f"{name} is withheld until a bank has decided about the payment for {named}"
    if decision.reason is Reason.CREDITS_EXHAUSTED:
        cost = f"a use of {name} costs {decision.value} credits"
        return f"{cost} and the balance is {figures.balance}"
    if decision.reason is Reason.LIMIT_REACHED:
        again = decision.resets_at
        return f"all {decision.limit} of {name} are used or set aside" + (
            f" until the next period begins on {rfc3339(again)}" if again else _unpaid(decision)
        )
    if decision.sources:
        return f"{name} comes to {_value(decision)} with {named}"
    return f"nothing gives {name} now{_around(facts, at)}"


def _unpaid(decision: Decision) -> str:
    metering = decision.metering
    is_extended = metering is not None and metering.period.extended_from is not None
    return " until the next period is paid" if is_extended else ""


def _around(facts: Sequence[Fact], at: datetime) -> str:
    """What gave it last, and what will give it next."""
    allowing = [fact for fact in facts if fact.effect == ALLOW]
    ended = [
        (fact.ends_at, fact.source) for fact in allowing if fact.ends_at and fact.ends_at <= at
    ]
    coming = [(fact.starts_at, fact.source) for fact in allowing if at < fact.starts_at]
    said = ""
    if ended:
        moment, source = max(ended)
        said += f"; {sources([source])} gave it until {rfc3339(moment)}"
    if coming:
        moment, source = min(coming)
        said += f"; {sources([source])} gives it from {rfc3339(moment)}"
    return said
