"""The figures of a what-if: counted up holder by holder, shown as data."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from entitlements.decisions.selectors.effects import Effect
from entitlements.resolution.decision import Decision
from entitlements.resolution.kinds import text

NAMED = 20
"""Users that are named of those who would be over a limit."""
WAYS = ("gain", "lose", "more", "less", "other")
"""What may become of one feature for one holder; who has it as before is not counted."""


@dataclass(slots=True)
class Money:
    """What a month brings, exactly, in minor units."""

    before: Fraction = Fraction()
    after: Fraction = Fraction()


@dataclass(slots=True)
class Figures:
    """Of ``holders`` that there are, so many were ``looked_at``."""

    holders: int = 0
    looked_at: int = 0
    changed: int = 0
    features: dict[str, Counter[str]] = field(default_factory=dict)
    over: dict[str, Counter[str]] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    moves: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    bills: Counter[str] = field(default_factory=Counter)
    money: dict[str, Money] = field(default_factory=dict)

    def count(self, effects: Sequence[Effect], *, over: Iterable[str], user_id: str) -> None:
        """One holder, the answers before and after, and the limits that they would be over."""
        self.looked_at += 1
        ways = [(each.after.feature, _way(each.before, each.after)) for each in effects]
        self.changed += any(way for _, way in ways)
        for feature, way in ways:
            counter = self.features.setdefault(feature, Counter())
            if way:
                counter[way] += 1
        for feature in over:
            self.over.setdefault(feature, Counter())["users"] += 1
            users = self.users.setdefault(feature, [])
            if len(users) < NAMED:
                users.append(user_id)

    def refuse(self, code: str) -> None:
        """One subscription that would stay where it is."""
        self.refusals[code] += 1

    def move(self, currency: str, *, before: Fraction, after: Fraction) -> None:
        """One subscription that would pay ``after`` instead of ``before`` a month."""
        self.moves += 1
        self.bills["more" if after > before else "less" if after < before else "same"] += 1
        money = self.money.setdefault(currency, Money())
        money.before += before
        money.after += after

    def as_json(self) -> dict[str, Any]:
        return {
            "holders": self.holders,
            "looked_at": self.looked_at,
            "changed": self.changed,
            "features": [
                {"feature": code, **{way: counter[way] for way in WAYS}}
                for code, counter in sorted(self.features.items())
            ],
            "over_limit": [
                {"feature": code, "users": counter["users"], "user_ids": self.users[code]}
                for code, counter in sorted(self.over.items())
            ],
            "moves": self.moves,
            "refused": [
                {"code": code, "subscriptions": number}
                for code, number in sorted(self.refusals.items())
            ],
            "bills": {name: self.bills[name] for name in ("more", "less", "same")},
            "mrr": [_mrr(currency, money) for currency, money in sorted(self.money.items())],
        }


def _mrr(currency: str, money: Money) -> dict[str, Any]:
    """Rounded once, half a unit up: minor units a month."""
    before, after = _rounded(money.before), _rounded(money.after)
    return {
        "currency": currency,
        "before": before,
        "after": after,
        "difference": after - before,
    }


def _rounded(amount: Fraction) -> int:
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


def _way(before: Decision, after: Decision) -> str:
    """Empty when the feature gives the same as before; why it does is not asked."""
    if before.allowed != after.allowed:
        return "gain" if after.allowed else "lose"
    if not after.allowed or text(before.value) == text(after.value):
        return ""
    if after.is_priced:
        return "more" if after.value < before.value else "less"
    if _is_amount(before) and _is_amount(after):
        return "more" if _size(after) > _size(before) else "less"
    return "other"


def _is_amount(decision: Decision) -> bool:
    return decision.value is None or decision.limit == decision.value


def _size(decision: Decision) -> tuple[bool, int]:
    return decision.value is None, decision.value or 0
