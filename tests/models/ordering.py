"""Model: one object changes three times, each change is delivered once or twice, workers overlap.

Events two and three happen in the same second, as Stripe's ``created`` cannot tell them apart. A
strategy is the list of atomic steps that a worker takes for one delivery.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.models.exploration import Move, Tally, explore

CREATED = {1: 100, 2: 101, 3: 101}
"""Seconds, by version."""
LAST = 3


class Worker(NamedTuple):
    step: int = 0
    value: int = 0
    stamp: int = -1


class State(NamedTuple):
    stripe: int
    """The version that Stripe has."""
    row: int
    """The version that our row has."""
    stamp: int
    """What the row remembers to order writes by."""
    clock: int
    lock: int | None
    workers: tuple[Worker, ...]


Step = Callable[[State, int, int], State | None]
"""(state, worker, version of its event) to the next state, or None while it has to wait."""


def keep_payload(state: State, worker: int, version: int) -> State:
    return state._replace(row=version)


def keep_payload_if_created_later(state: State, worker: int, version: int) -> State:
    newer = state.row == 0 or state.stamp < CREATED[version]
    return state._replace(row=version, stamp=CREATED[version]) if newer else state


def keep_payload_unless_created_earlier(state: State, worker: int, version: int) -> State:
    newer = state.row == 0 or state.stamp <= CREATED[version]
    return state._replace(row=version, stamp=CREATED[version]) if newer else state


def read(state: State, worker: int, version: int) -> State:
    """Read the current state at Stripe."""
    return _set(state, worker, value=state.stripe)


def stamp(state: State, worker: int, version: int) -> State:
    """Take a number: a fence before the read, only a time of the answer after it."""
    ticked = state._replace(clock=state.clock + 1)
    return _set(ticked, worker, stamp=ticked.clock)


def write(state: State, worker: int, version: int) -> State:
    return state._replace(row=state.workers[worker].value)


def write_if_newer(state: State, worker: int, version: int) -> State:
    mine = state.workers[worker]
    return state._replace(row=mine.value, stamp=mine.stamp) if state.stamp < mine.stamp else state


def lock(state: State, worker: int, version: int) -> State | None:
    return state._replace(lock=worker) if state.lock is None else None


def write_and_unlock(state: State, worker: int, version: int) -> State:
    return state._replace(row=state.workers[worker].value, lock=None)


OURS = "read again, fence taken before the read"
RIGHT: dict[str, list[Step]] = {
    OURS: [stamp, read, write_if_newer],
    "read again while holding a lock": [lock, read, write_and_unlock],
}
WRONG: dict[str, list[Step]] = {
    "payload, last arrival wins": [keep_payload],
    "payload, if created later": [keep_payload_if_created_later],
    "payload, unless created earlier": [keep_payload_unless_created_earlier],
    "read again, write": [read, write],
    "read again, stamped when the answer came": [read, stamp, write_if_newer],
    "read again, lock around the write only": [read, lock, write_and_unlock],
}


def run(steps: list[Step], deliveries: tuple[int, ...]) -> Tally:
    """Every interleaving of Stripe's changes with one worker for each delivery."""

    def moves(state: State) -> Iterator[Move[State]]:
        if state.stripe < LAST:
            yield Move(f"stripe: v{state.stripe + 1}", state._replace(stripe=state.stripe + 1))
        for worker, version in enumerate(deliveries):
            at = state.workers[worker].step
            if at == len(steps) or state.stripe < version:
                continue
            after = steps[at](state, worker, version)
            if after is not None:
                name = f"worker {worker} (event {version}): {steps[at].__name__}"
                yield Move(name, _set(after, worker, step=at + 1))

    start = State(0, 0, -1, 0, None, tuple(Worker() for _ in deliveries))
    return explore(start, moves=moves, is_right=lambda state: state.row == LAST)


def _set(state: State, worker: int, **values: int) -> State:
    workers = list(state.workers)
    workers[worker] = workers[worker]._replace(**values)
    return state._replace(workers=tuple(workers))
