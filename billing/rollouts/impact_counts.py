"""Counts of the effect of a product change: added up holder by holder, shown as JSON."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, TypedDict

from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.resolution.decision import Decision
from entitlements.resolution.kinds import canonical_json

MAX_NAMED_USERS = 20
"""Users over a limit who are listed by id."""
EFFECT_KINDS = ("gain", "lose", "more", "less", "other")
"""Kinds of effects on one feature of one holder; unchanged features are not counted."""


class FeatureFiguresBody(TypedDict):
    feature: str
    gain: Annotated[int, "Holders who do not have the feature now."]
    lose: Annotated[int, "Holders who would no longer have the feature."]
    more: Annotated[int, "Holders who get a higher limit, or a lower cost per use."]
    less: Annotated[int, "Holders who get a lower limit, or a higher cost per use."]
    other: Annotated[int, "Holders whose value of a config feature changes."]


class OverLimitBody(TypedDict):
    feature: str
    users: Annotated[int, "Users who have used more than the new limit."]
    user_ids: Annotated[list[str], "The first 20."]


class RefusedMovesBody(TypedDict):
    code: Annotated[str, "The `code` of a problem document."]
    subscriptions: int


class BillsBody(TypedDict):
    """Number of moved subscriptions that would pay more, less or the same."""

    more: int
    less: int
    same: int


class MrrBody(TypedDict):
    """Monthly recurring revenue of the moved subscriptions: minor units, before discounts and
    taxes."""

    currency: str
    before: int
    after: int
    difference: int


class ProductFiguresBody(TypedDict):
    """The impact of a change on the holders of the product."""

    holders: int
    looked_at: Annotated[int, "Number of evaluated holders, at most 5000."]
    changed: Annotated[int, "Number of evaluated holders with a changed decision."]
    features: list[FeatureFiguresBody]
    over_limit: list[OverLimitBody]
    moves: Annotated[int, "Subscriptions that would be moved."]
    refused: list[RefusedMovesBody]
    bills: BillsBody
    mrr: list[MrrBody]


@dataclass(slots=True)
class MonthlyRevenue:
    """Revenue per month before and after the change: exact, in minor units."""

    before: Fraction = Fraction()
    after: Fraction = Fraction()


@dataclass(slots=True)
class ImpactCounts:
    """Counts over ``looked_at`` of all ``holders``."""

    holders: int = 0
    looked_at: int = 0
    changed: int = 0
    features: dict[str, Counter[str]] = field(default_factory=dict)
    over: dict[str, Counter[str]] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    moves: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    bills: Counter[str] = field(default_factory=Counter)
    money: dict[str, MonthlyRevenue] = field(default_factory=dict)

    def count(
        self, effects: Sequence[DecisionChange], *, over: Iterable[str], user_id: str
    ) -> None:
        """Count one holder: decisions before and after, and features whose limit is exceeded."""
        self.looked_at += 1
        kinds = [
            (effect.after.feature, _effect_kind(effect.before, effect.after)) for effect in effects
        ]
        self.changed += any(kind for _, kind in kinds)
        for feature, kind in kinds:
            counter = self.features.setdefault(feature, Counter())
            if kind:
                counter[kind] += 1
        for feature in over:
            self.over.setdefault(feature, Counter())["users"] += 1
            users = self.users.setdefault(feature, [])
            if len(users) < MAX_NAMED_USERS:
                users.append(user_id)

    def refuse(self, code: str) -> None:
        """Count one subscription that cannot be moved, by the code of its error."""
        self.refusals[code] += 1

    def move(self, currency: str, *, before: Fraction, after: Fraction) -> None:
        """Count one moved subscription with its revenue per month before and after."""
        self.moves += 1
        self.bills["more" if after > before else "less" if after < before else "same"] += 1
        revenue = self.money.setdefault(currency, MonthlyRevenue())
        revenue.before += before
        revenue.after += after

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
            "mrr": [
                _revenue_body(currency, revenue) for currency, revenue in sorted(self.money.items())
            ],
        }


def _revenue_body(currency: str, revenue: MonthlyRevenue) -> MrrBody:
    """Minor units per month, rounded half up once."""
    before, after = _rounded(revenue.before), _rounded(revenue.after)
    return {
        "currency": currency,
        "before": before,
        "after": after,
        "difference": after - before,
    }


def _rounded(amount: Fraction) -> int:
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


def _effect_kind(before: Decision, after: Decision) -> str:
    """The kind of effect; empty if the value is the same. The reason of the decision is ignored."""
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
