"""The impact and the result of a planned change, as lines of text."""

from collections.abc import Mapping
from typing import Any

from billing.models import Rollout
from common.money import Money

EFFECT_WORDS = {
    "gain": "gain it",
    "lose": "lose it",
    "more": "get more of it",
    "less": "get less of it",
    "other": "get another value",
}


def summarize_impact(impact: Mapping[str, Any]) -> list[str]:
    """Lines on gained and lost features, then limits, then revenue."""
    counted = f"{impact['looked_at']} of {impact['holders']} holders looked at"
    lines = [f"{counted}: {impact['changed']} would have another answer."]
    for item in impact["features"]:
        effects = [f"{item[kind]} {words}" for kind, words in EFFECT_WORDS.items() if item[kind]]
        lines.append(f"  {item['feature']}: {', '.join(effects) or 'nobody notices'}")
    for item in impact["over_limit"]:
        user_ids = ", ".join(item["user_ids"])
        lines.append(f"  {item['feature']}: {item['users']} would be over the limit: {user_ids}")
    return lines + _summarize_moves(impact)


def summarize_result(plan: Rollout) -> list[str]:
    """Lines on the result. The rollout is loaded by ``selectors``, which counts its moves."""
    counts = vars(plan)
    return [
        f"Rollout {plan.pk} is {plan.status}.",
        f"{plan.looked_at} holders: {plan.changed} followed, {len(plan.failed)} failed.",
        f"{counts['move_count']} moves: {counts['moved']} made, {counts['refused']} refused.",
    ]


def _summarize_moves(impact: Mapping[str, Any]) -> list[str]:
    if not impact["moves"] and not impact["refused"]:
        return []
    bills = impact["bills"]
    pay = f"{bills['more']} pay more, {bills['less']} less, {bills['same']} the same"
    lines = [f"{impact['moves']} subscriptions would be moved: {pay}."]
    lines += [f"  {item['subscriptions']} refused: {item['code']}" for item in impact["refused"]]
    for item in impact["mrr"]:
        before, after, difference = (
            Money(item[name], item["currency"]) for name in ("before", "after", "difference")
        )
        lines.append(f"  a month brings {before} now, {after} then: a difference of {difference}")
    return lines
