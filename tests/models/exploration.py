"""Try every schedule of a small model, and count how many end wrong.

A model is a start, the moves that are possible from a state, and what a right end is. Every path
to a state without moves is one schedule. States repeat, so results are remembered: billions of
schedules take seconds. Moves must make progress; a cycle would never end.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

StateT = TypeVar("StateT", bound=Hashable)


class Move(NamedTuple, Generic[StateT]):
    """One atomic step. ``backwards`` is set when it replaced something newer by something older."""

    name: str
    to: StateT
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """How many schedules there are, and of those, how many end wrong or went backwards."""

    schedules: int
    wrong: int
    backwards: int
    states: int
    example: tuple[str, ...]
    """The moves of one schedule that ends wrong."""

    def __str__(self) -> str:
        return (
            f"{self.schedules:,} schedules of {self.states:,} states: "
            f"{self.wrong:,} wrong, {self.backwards:,} backwards"
        )


class _Count(NamedTuple):
    schedules: int
    wrong: int
    backwards: int


def explore(
    start: StateT,
    *,
    moves: Callable[[StateT], Iterable[Move[StateT]]],
    is_right: Callable[[StateT], bool],
) -> Tally:
    """Count over all schedules from ``start``."""
    counts_by_state: dict[StateT, _Count] = {}

    def count(state: StateT) -> _Count:
        if state not in counts_by_state:
            total = _Count(0, 0, 0)
            for move in moves(state):
                below = count(move.to)
                total = _Count(
                    total.schedules + below.schedules,
                    total.wrong + below.wrong,
                    total.backwards + below.backwards + move.backwards * below.schedules,
                )
            counts_by_state[state] = (
                total if total.schedules else _Count(1, int(not is_right(state)), 0)
            )
        return counts_by_state[state]

    result = count(start)
    example = _example(start, moves, counts_by_state) if result.wrong else ()
    return Tally(*result, states=len(counts_by_state), example=example)


def _example(
    state: StateT,
    moves: Callable[[StateT], Iterable[Move[StateT]]],
    counts_by_state: dict[StateT, _Count],
) -> tuple[str, ...]:
    names: list[str] = []
    while True:
        wrong = next((move for move in moves(state) if counts_by_state[move.to].wrong), None)
        if wrong is None:
            return tuple(names)
        names.append(wrong.name)
        state = wrong.to
