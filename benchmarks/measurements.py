"""Measurements: one value per case and round, and ratios within a round."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Measurements:
    """Values per second by case name, one per round; ``costs`` are values of which less is
    better, in the unit that their names have."""

    by_name: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    costs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, per_second: float, *, wrong: str = "") -> None:
        self.by_name[name].append(per_second)
        if wrong:
            self.wrong.append(f"{name}: {wrong}")

    def add_cost(self, name: str, value: float) -> None:
        self.costs[name].append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.by_name[name])


@dataclass(frozen=True, slots=True)
class Ratio:
    """``top`` divided by ``bottom``, times ``factor``; ``target`` is the minimum."""

    what: str
    top: str
    bottom: str
    target: float | None = None
    factor: float = 1.0

    def of(self, figures: Measurements) -> list[float]:
        """One ratio per round; empty if either case was not measured."""
        tops, bottoms = figures.by_name.get(self.top, []), figures.by_name.get(self.bottom, [])
        return [
            self.factor * top / bottom
            for top, bottom in zip(tops, bottoms, strict=False)
            if bottom > 0
        ]
