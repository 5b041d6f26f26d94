"""Decisions as the console shows them."""

from collections.abc import Iterable

from django.template.loader import render_to_string
from django.utils.html import format_html_join

from common.admin import columns
from common.admin.sections import Section
from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.resolution import kinds
from entitlements.resolution.decision import Decision
from entitlements.resolution.explanation import Explanation, ExplanationStep
from entitlements.resolution.facts import DENY, DecisionFact, Reason, Source

SOURCE_PAGES = {
    "subscription": "billing.subscription",
    "checkout": "billing.checkout",
    "grant": "entitlements.grant",
    "free_tier": "entitlements.freetierentry",
}
"""The console page of each type of source, by name: nothing above is imported."""

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


def format_decision_value(decision: Decision) -> str:
    """``on``, ``off``, ``25``, ``no limit``, ``250 of 1,000``, ``5 credits`` or JSON."""
    if isinstance(decision.value, bool):
        return "on" if decision.value else "off"
    if decision.value is None:
        return "no limit" if decision.allowed else "nothing"
    if type(decision.value) is not int:
        return kinds.canonical_json(decision.value)
    if decision.is_priced:
        return f"{decision.value:,} credits"
    used = "" if decision.used is None else f"{decision.used:,} of "
    return f"{used}{decision.value:,}"


def reason_badge(decision: Decision) -> object:
    return columns.badge(decision.reason, tone=TONES.get(decision.reason))


def source_links(sources: Iterable[Source]) -> object:
    """Links to the sources of a decision."""
    links = [
        (columns.anchor(columns.page(SOURCE_PAGES[source.type], source.id), source.id),)
        for source in sources
    ]
    return format_html_join(", ", "{}", links) or columns.EMPTY


def build_section(explanations: Iterable[Explanation]) -> Section:
    return Section(
        title="What they may do, and why",
        headers=["Feature", "Answer", "Why", "Because of", "Until", "How"],
        rows=[
            [
                columns.code(explanation.decision.feature),
                columns.shortened(format_decision_value(explanation.decision), most=40),
                reason_badge(explanation.decision),
                source_links(explanation.decision.sources),
                columns.moment(explanation.decision.valid_until),
                render_trace(explanation),
            ]
            for explanation in explanations
        ],
        prose=[5],
        empty="The project has not defined any feature.",
    )


def render_trace(explanation: Explanation) -> object:
    """The explanation's sentence, with its steps (``explain=1``) behind it."""
    steps = [_step_row(step) for step in explanation.steps]
    return render_to_string("console/trace.html", {"explanation": explanation, "steps": steps})


def _step_row(step: ExplanationStep) -> dict[str, object]:
    return {"text": step.text, "facts": [_describe_fact(fact) for fact in step.facts]}


def _describe_fact(fact: DecisionFact) -> str:
    """``subscription sub_1: 25 (entitled), from … until …``."""
    statement = "takes it away" if fact.effect == DENY else kinds.canonical_json(fact.value)
    until = f" until {columns.moment(fact.ends_at)}" if fact.ends_at else ""
    source_name = f"{fact.source.type.replace('_', ' ')} {fact.source.id}"
    since = columns.moment(fact.starts_at)
    return f"{source_name}: {statement} ({fact.reason.replace('_', ' ')}), from {since}{until}"


def change_rows(changes: Iterable[DecisionChange]) -> list[dict[str, object]]:
    """Rows of a preview: the feature, its decision before and after, and whether they differ."""
    rows = [
        (change.after.feature, describe_decision(change.before), describe_decision(change.after))
        for change in changes
    ]
    return [
        {"feature": feature, "before": before, "after": after, "changes": before != after}
        for feature, before, after in rows
    ]


def describe_decision(decision: Decision) -> str:
    """``25 (granted), until 2026-12-01 00:00:00 UTC``."""
    text = f"{format_decision_value(decision)} ({decision.reason.replace('_', ' ')})"
    until = decision.valid_until
    return text if until is None else f"{text}, until {columns.moment(until)}"
