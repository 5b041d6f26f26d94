"""The figures of a plan, and what became of it, as lines to read."""

from collections.abc import Mapping
from typing import Any

from billing.models import Rollout
from common.money import Money

WAYS = {
    "gain": "gain it",
    "lose": "lose it",
    "more": "get more of it",
    "less": "get less of it",
    "other": "get another value",
}


def figures(said: Mapping[str, Any]) -> list[str]:
    """Whoever gains and loses what, then limits, then money."""
    of = f"{said['looked_at']} of {said['holders']} holders looked at"
    lines = [f"{of}: {said['changed']} would have another answer."]
    for each in said["features"]:
        ways = [f"{each[way]} {words}" for way, words in WAYS.items() if each[way]]
        lines.append(f"  {each['feature']}: {', '.join(ways) or 'nobody notices'}")
    for each in said["over_limit"]:
        named = ", ".join(each["user_ids"])
        lines.append(f"  {each['feature']}: {each['users']} would be over the limit: {named}")
    return lines + _moves(said)


def outcome(plan: Rollout) -> list[str]:
    """Loaded by ``selectors.rollouts``, which counts the moves."""
    counts = vars(plan)
    return [
        f"Rollout {plan.pk} is {plan.status}.",
        f"{plan.looked_at} holders: {plan.changed} followed, {len(plan.failed)} failed.",
        f"{counts['move_count']} moves: {counts['moved']} made, {counts['refused']} refused.",
    ]


def _moves(said: Mapping[str, Any]) -> list[str]:
    if not said["moves"] and not said["refused"]:
        return []
    bills = said["bills"]
    pay = f"{bills['more']} pay more, {bills['less']} less, {bills['same']} the same"
    lines = [f"{said['moves']} subscriptions would be moved: {pay}."]
    lines += [f"  {each['subscriptions']} refused: {each['code']}" for each in said["refused"]]
    for each in said["mrr"]:
        before, after, difference = (
            Money(each[name], each["currency"]) for name in ("before", "after", "difference")
        )
        lines.append(f"  a month brings {before} now, {after} then: a difference of {difference}")
    return lines
