"""Decisions as people read them."""

from collections.abc import Iterable

from django.utils.html import format_html_join

from common.admin import columns
from common.admin.sections import Section
from entitlements.resolution import Decision, Reason, Source
from entitlements.selectors.effects import Effect

PAGES = {
    "subscription": "billing.subscription",
    "checkout": "billing.checkout",
    "grant": "entitlements.grant",
}
"""Where the source of a fact is shown: a name, so that nothing above is imported."""

TONES = {
    Reason.ENTITLED: "success",
    Reason.GRANTED: "success",
    Reason.TRIAL: "info",
    Reason.GRACE: "warning",
    Reason.REVOKED: "danger",
    Reason.HELD: "danger",
}


def value(decision: Decision) -> str:
    """``on``, ``off``, ``25`` or ``no limit``."""
    if isinstance(decision.value, bool):
        return "on" if decision.value else "off"
    return "no limit" if decision.value is None else f"{decision.value:,}"


def reason(decision: Decision) -> object:
    return columns.badge(decision.reason, tone=TONES.get(decision.reason))


def sources(found: Iterable[Source]) -> object:
    """Links to what the answer follows from."""
    links = [(columns.anchor(columns.page(PAGES[each.type], each.id), each.id),) for each in found]
    return format_html_join(", ", "{}", links) or columns.EMPTY


def section(decisions: Iterable[Decision]) -> Section:
    return Section(
        title="What they may do, and why",
        headers=["Feature", "Answer", "Why", "Because of", "Until"],
        rows=[
            [
                columns.code(each.feature),
                value(each),
                reason(each),
                sources(each.sources),
                columns.moment(each.valid_until),
            ]
            for each in decisions
        ],
        empty="The project has not defined any feature.",
    )


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
