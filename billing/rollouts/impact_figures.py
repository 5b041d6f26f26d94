"""The figures of a what-if: counted up holder by holder, shown as data."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, TypedDict

from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.resolution.decision import Decision
from entitlements.resolution.kinds import canonical_json

NAMED = 20
"""Users that are named of those who would be over a limit."""
WAYS = ("gain", "lose", "more", "less", "other")
"""What may become of one feature for one holder; who has it as before is not counted."""


class FeatureFiguresBody(TypedDict):
    feature: str
    gain: Annotated[int, "Holders who may not use it now."]
    lose: int
    more: Annotated[int, "A higher limit, or a lower cost of each use."]
    less: int
    other: Annotated[int, "Another value that is neither."]


class OverLimitBody(TypedDict):
    feature: str
    users: Annotated[int, "Who have used more than the limit would be."]
    user_ids: Annotated[list[str], "The first 20."]


class RefusedMovesBody(TypedDict):
    code: Annotated[str, "As of a problem document."]
    subscriptions: int


class BillsBody(TypedDict):
    """How many subscriptions would pay what."""

    more: int
    less: int
    same: int


class MrrBody(TypedDict):
    """What a month of the moved subscriptions brings: minor units, before discounts and taxes."""

    currency: str
    before: int
    after: int
    difference: int


class ProductFiguresBody(TypedDict):
    """What becomes of those who hold the product."""

    holders: int
    looked_at: Annotated[int, "At most 5000."]
    changed: Annotated[int, "Of them, for whom some answer changes."]
    features: list[FeatureFiguresBody]
    over_limit: list[OverLimitBody]
    moves: Annotated[int, "Subscriptions that would be moved."]
    refused: list[RefusedMovesBody]
    bills: BillsBody
    mrr: list[MrrBody]


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

    def count(
        self, effects: Sequence[DecisionChange], *, over: Iterable[str], user_id: str
    ) -> None:
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

    def as_json(self) -> ProductFiguresBody:
        return {
            "holders": self.holders,
            "looked_at": self.looked_at,
            "changed": self.changed,
            "features": [
                {
                    "feature": code,
                    "gain": counter["gain"],
                    "lose": counter["lose"],
                    "more": counter["more"],
                    "less": counter["less"],
                    "other": counter["other"],
                }
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
            "bills": {
                "more": self.bills["more"],
                "less": self.bills["less"],
                "same": self.bills["same"],
            },
            "mrr": [_mrr(currency, money) for currency, money in sorted(self.money.items())],
        }


def _mrr(currency: str, money: Money) -> MrrBody:
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
    if not after.allowed or canonical_json(before.value) == canonical_json(after.value):
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
