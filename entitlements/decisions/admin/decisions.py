"""Decisions as people read them."""

from collections.abc import Iterable

from django.template.loader import render_to_string
from django.utils.html import format_html_join

from common.admin import columns
from common.admin.sections import Section
from entitlements.decisions.selectors.effects import Effect
from entitlements.resolution import kinds
from entitlements.resolution.decision import DENY, Decision, Fact, Reason, Source
from entitlements.resolution.explanation import Explanation, Step

PAGES = {
    "subscription": "billing.subscription",
    "checkout": "billing.checkout",
    "grant": "entitlements.grant",
    "free_tier": "entitlements.freetierentry",
}
"""Where the source of a fact is shown: a name, so that nothing above is imported."""

TONES = {
    Reason.ENTITLED: "success",
    Reason.GRANTED: "success",
    Reason.TRIAL: "info",
    Reason.FREE_TIER: "success",
    Reason.GRACE: "warning",
    Reason.LIMIT_REACHED: "warning",
    Reason.CREDITS_EXHAUSTED: "warning",
    Reason.REVOKED: "danger",
    Reason.HELD: "danger",
}


def value(decision: Decision) -> str:
    """``on``, ``off``, ``25``, ``no limit``, ``250 of 1,000``, ``5 credits`` or JSON."""
    if isinstance(decision.value, bool):
        return "on" if decision.value else "off"
    if decision.value is None:
        return "no limit" if decision.allowed else "nothing"
    if type(decision.value) is not int:
        return kinds.text(decision.value)
    if decision.is_priced:
        return f"{decision.value:,} credits"
    used = "" if decision.used is None else f"{decision.used:,} of "
    return f"{used}{decision.value:,}"


def reason(decision: Decision) -> object:
    return columns.badge(decision.reason, tone=TONES.get(decision.reason))


def sources(found: Iterable[Source]) -> object:
    """Links to what the answer follows from."""
    links = [(columns.anchor(columns.page(PAGES[each.type], each.id), each.id),) for each in found]
    return format_html_join(", ", "{}", links) or columns.EMPTY


def section(explanations: Iterable[Explanation]) -> Section:
    return Section(
        title="What they may do, and why",
        headers=["Feature", "Answer", "Why", "Because of", "Until", "How"],
        rows=[
            [
                columns.code(each.decision.feature),
                columns.shortened(value(each.decision), most=40),
                reason(each.decision),
                sources(each.decision.sources),
                columns.moment(each.decision.valid_until),
                trace(each),
            ]
            for each in explanations
        ],
        prose=[5],
        empty="The project has not defined any feature.",
    )


def trace(explanation: Explanation) -> object:
    """The sentence, and behind it the steps: what ``explain=1`` answers."""
    steps = [_step(each) for each in explanation.steps]
    return render_to_string("console/trace.html", {"explanation": explanation, "steps": steps})


def _step(step: Step) -> dict[str, object]:
    return {"text": step.text, "facts": [_fact(each) for each in step.facts]}


def _fact(fact: Fact) -> str:
    """``subscription sub_1: 25 (entitled), from … until …``."""
    said = "takes it away" if fact.effect == DENY else kinds.text(fact.value)
    until = f" until {columns.moment(fact.ends_at)}" if fact.ends_at else ""
    named = f"{fact.source.type.replace('_', ' ')} {fact.source.id}"
    since = columns.moment(fact.starts_at)
    return f"{named}: {said} ({fact.reason.replace('_', ' ')}), from {since}{until}"


def effects(found: Iterable[Effect]) -> list[dict[str, object]]:
    """Rows of a preview: the feature, its answer before and after, and whether they differ."""
    rows = [(each.after.feature, in_words(each.before), in_words(each.after)) for each in found]
    return [
        {"feature": feature, "before": before, "after": after, "changes": before != after}
        for feature, before, after in rows
    ]


def in_words(decision: Decision) -> str:
    """``25 (granted), until 2026-12-01 00:00:00 UTC``."""
    said = f"{value(decision)} ({decision.reason.replace('_', ' ')})"
    until = decision.valid_until
    return said if until is None else f"{said}, until {columns.moment(until)}"
