"""Figures of a run beside their targets: what was lost, doubled, or out of order.

A test publishes its figures. ``TOLLGATE_FIGURES`` names a file that gets them as lines of JSON, for
the table of `make chaos` (:mod:`tests.chaos.report`).
"""

import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

FILE = "TOLLGATE_FIGURES"
Key = tuple[str, int]
"""A change: the lane whose order counts (a customer; empty: no order), and its number there."""


class Arrival(NamedTuple):
    """An event about this change, as a consumer got it."""

    lane: str
    number: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """``doubled``: changes that came with more than one id. ``repeated``: events that came again
    with the same id, which some consumers must bear (``may_repeat``)."""

    run: str
    size: str
    events: int
    lost: int
    doubled: int
    disordered: int
    repeated: int
    may_repeat: bool
    note: str = ""

    @property
    def is_met(self) -> bool:
        repeated = 0 if self.may_repeat else self.repeated
        return not (self.lost or self.doubled or self.disordered or repeated)

    @property
    def target(self) -> str:
        return "0 · 0 · 0 · any" if self.may_repeat else "0 · 0 · 0 · 0"

    def publish(self) -> None:
        """Write the figures down, then fail if one misses its target."""
        if path := os.environ.get(FILE):
            with open(path, "a") as file:  # noqa: PTH123  # one write: processes may share the file
                file.write(json.dumps(asdict(self)) + "\n")
        assert self.is_met, self


def compare(
    expected: Collection[Key],
    arrivals: Sequence[Arrival],
    *,
    run: str,
    size: str,
    may_repeat: bool = False,
    may_miss: Iterable[Key] = (),
    note: str = "",
) -> Figures:
    """The figures of a consumer that should have got these changes. ``may_miss`` are those of which
    the product says itself that nobody knows."""
    ids: dict[Key, set[str]] = defaultdict(set)
    for arrival in arrivals:
        ids[arrival.lane, arrival.number].add(arrival.event_id)
    keys = set(expected)
    return Figures(
        run=run,
        size=size,
        events=len(keys),
        lost=len(keys - set(ids) - set(may_miss)),
        doubled=sum(len(each) - 1 for each in ids.values()) + len(set(ids) - keys),
        disordered=_count_disordered(arrivals),
        repeated=len(arrivals) - sum(len(each) for each in ids.values()),
        may_repeat=may_repeat,
        note=note,
    )


def _count_disordered(arrivals: Iterable[Arrival]) -> int:
    """Changes that came for the first time behind a later one of their lane."""
    seen: set[Key] = set()
    last: dict[str, int] = defaultdict(int)
    count = 0
    for lane, number, _ in arrivals:
        if lane and (lane, number) not in seen and number < last[lane]:
            count += 1
        seen.add((lane, number))
        last[lane] = max(last[lane], number)
    return count
