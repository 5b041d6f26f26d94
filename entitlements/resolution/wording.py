"""Decisions in plain English: one sentence each, and the texts of the explanation's steps."""

from collections.abc import Iterable, Sequence, Sized
from datetime import datetime

from common.times import rfc3339
from entitlements.resolution import kinds
from entitlements.resolution.decision import Decision, DecisionAmounts
from entitlements.resolution.facts import ALLOW, DecisionFact, FeatureDefinition, Reason, Source
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


def write_sentence(
    decision: Decision,
    definition: FeatureDefinition | None,
    *,
    at: datetime,
    facts: Sequence[DecisionFact] = (),
    amounts: DecisionAmounts | None = None,
) -> str:
    """One sentence: allowed or not, how much, why, and until when."""
    amounts = amounts or DecisionAmounts()
    if definition is None:
        return f"No: the project has no feature {decision.feature}."
    if decision.allowed:
        because = BECAUSE[decision.reason].format(sources=name_sources(decision.sources))
        until = f", until {rfc3339(decision.valid_until)}" if decision.valid_until else ""
        return f"Yes: {_describe_amount(decision, definition, amounts)}, {because}{until}."
    return f"No: {_describe_refusal(decision, definition, facts, amounts, at)}."


def name_sources(sources: Iterable[Source]) -> str:
    """``subscription sub_1 and grant grant_2``."""
    names = [f"{SOURCES[source.type]} {source.id}" for source in sorted(sources)]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def count_noun(items: Sized, noun: str) -> str:
    return f"{len(items)} {noun}" if len(items) == 1 else f"{len(items) or 'No'} {noun}s"


def describe_merge(
    definition: FeatureDefinition, permissions: Sequence[DecisionFact], static: Decision
) -> str:
    rule_text = MERGES[definition.merge].format(offers=count_noun(permissions, "offer").lower())
    return f"{rule_text}: {_describe_value(static)}."


def describe_metering(decision: Decision, amounts: DecisionAmounts) -> str:
    remaining = "" if decision.remaining is None else f", {decision.remaining} left"
    text = f"{amounts.used} used, {amounts.reserved} set aside{remaining}."
    if decision.metering is None or decision.metering.period.extended_from is None:
        return text
    return f"{text} The last paid period goes on until the next one is paid."


def describe_credits(decision: Decision, amounts: DecisionAmounts) -> str:
    uses = "any number of uses" if decision.remaining is None else f"{decision.remaining} uses"
    return f"A use costs {decision.value} credits; a balance of {amounts.balance} pays for {uses}."


def _describe_value(decision: Decision) -> str:
    if decision.value is None:
        return "nothing" if not decision.allowed or decision.is_priced else "no limit"
    return kinds.canonical_json(decision.value)


def _describe_amount(
    decision: Decision, definition: FeatureDefinition, amounts: DecisionAmounts
) -> str:
    name = definition.code
    if definition.kind == "boolean":
        return f"{name} is on"
    if definition.kind == "credits":
        return f"a use of {name} costs {decision.value} credits out of {amounts.balance}"
    if definition.kind == "config":
        return f"{name} is {kinds.canonical_json(decision.value)}"
    assert definition.kind in ("limit", "metered"), f"No words for {definition.kind} features."
    limit = "has no limit" if decision.limit is None else f"goes up to {decision.limit}"
    if definition.period is None:
        return f"{name} {limit}"
    used = f"{amounts.used} used" if decision.used is not None else "not counted"
    return f"{name} {limit} per {definition.period.value} ({used})"


def _describe_refusal(
    decision: Decision,
    definition: FeatureDefinition,
    facts: Sequence[DecisionFact],
    amounts: DecisionAmounts,
    at: datetime,
) -> str:
    name, names = definition.code, name_sources(decision.sources)
    if decision.reason is Reason.REVOKED:
        return f"{name} was taken away with {names}, which beats whatever gives it"
    if decision.reason is Reason.HELD:
        return f"{name} is withheld until a bank has decided about the payment for {names}"
    if decision.reason is Reason.CREDITS_EXHAUSTED:
        cost = f"a use of {name} costs {decision.value} credits"
        return f"{cost} and the balance is {amounts.balance}"
    if decision.reason is Reason.LIMIT_REACHED:
        resets_at = decision.resets_at
        return f"all {decision.limit} of {name} are used or set aside" + (
            f" until the next period begins on {rfc3339(resets_at)}"
            if resets_at
            else _describe_unpaid_period(decision)
        )
    if decision.sources:
        return f"{name} comes to {_describe_value(decision)} with {names}"
    return f"nothing gives {name} now{_describe_neighbours(facts, at)}"


def _describe_unpaid_period(decision: Decision) -> str:
    metering = decision.metering
    is_extended = metering is not None and metering.period.extended_from is not None
    return " until the next period is paid" if is_extended else ""


def _describe_neighbours(facts: Sequence[DecisionFact], at: datetime) -> str:
    """The source that gave the feature last, and the one that gives it next."""
    allowing = [fact for fact in facts if fact.effect == ALLOW]
    ended = [
        (fact.ends_at, fact.source) for fact in allowing if fact.ends_at and fact.ends_at <= at
    ]
    later = [(fact.starts_at, fact.source) for fact in allowing if at < fact.starts_at]
    text = ""
    if ended:
        moment, source = max(ended)
        text += f"; {name_sources([source])} gave it until {rfc3339(moment)}"
    if later:
        moment, source = min(later)
        text += f"; {name_sources([source])} gives it from {rfc3339(moment)}"
    return text
