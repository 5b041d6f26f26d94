"""Model: the sync-queue row of one object, as in ``billing.sync.sync_queue`` and ``sync``.

The object changes at Stripe; each change requests a sync once or twice, at any time after it. A
request counts, or is skipped because an equal one is already waiting. Workers claim, read and
store. A worker may die at any step, a read may fail, and a lease may run out while its holder is
alive and continues as a zombie.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from tests.models.exploration import Move, Tally, explore


class Phase(Enum):
    IDLE = "idle"
    CLAIMED = "claimed"
    HAS_READ = "has read"


class Worker(NamedTuple):
    phase: Phase = Phase.IDLE
    epoch: int = 0
    seen: int = 0
    value: int = 0


class State(NamedTuple):
    stripe: int
    unrequested: tuple[int, ...]
    """Changes whose sync is not requested yet, by version."""
    requested: int
    applied: int
    row: int
    epoch: int
    holder: int | None
    """The worker that has the lease; it may be dead."""
    is_released: bool
    """Whether the last holder released the row itself, or there was none; false after an expiry."""
    workers: tuple[Worker, ...]
    deaths: int
    expiries: int
    failures: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """The choices that make the protocol. The defaults are ours."""

    fenced: bool = True
    """A write under an older epoch is refused."""
    leased: bool = True
    """An object that is held is not claimed."""
    applies: str = "seen"
    """After a write ``applied`` is the request number ``seen`` at the claim, or the one of ``now``;
    or it was set ``at claim`` already."""
    reads_first: bool = False
    """Stripe is asked before the claim."""
    skips_request: str = "let go"
    """A request may be skipped while the object is due and was ``let go`` by its holder, or is
    ``free`` because the lease ran out, or ``always`` while it is due."""


OURS = Protocol()
WRONG: dict[str, Protocol] = {
    "the write is not fenced": Protocol(fenced=False),
    "the flag is cleared when the write commits": Protocol(applies="now"),
    "the flag is cleared when the object is claimed": Protocol(applies="at claim"),
    "no lease and no fence": Protocol(fenced=False, leased=False),
    "read, then claim and write": Protocol(reads_first=True),
    "a mark is spared when only the lease has run out": Protocol(skips_request="free"),
    "a mark is spared while the object is read": Protocol(skips_request="always"),
}


def run(
    protocol: Protocol,
    *,
    versions: int = 3,
    again: tuple[int, ...] = (2,),
    workers: int = 2,
    deaths: int = 1,
    expiries: int = 1,
    failures: int = 1,
) -> Tally:
    """Every schedule with at most so many deaths, early expiries and failed reads."""
    start = State(
        stripe=0,
        unrequested=(*range(1, versions + 1), *again),
        requested=0,
        applied=0,
        row=0,
        epoch=0,
        holder=None,
        is_released=True,
        workers=tuple(Worker() for _ in range(workers)),
        deaths=deaths,
        expiries=expiries,
        failures=failures,
    )

    def moves(state: State) -> Iterator[Move[State]]:
        if state.stripe < versions:
            yield Move(f"stripe: v{state.stripe + 1}", state._replace(stripe=state.stripe + 1))
        yield from _request_moves(protocol, state)
        for worker in range(workers):
            yield from _worker_moves(protocol, state, worker)
        yield from _expiry_moves(state)

    return explore(
        start,
        moves=moves,
        is_right=lambda end: (
            end.row == end.stripe == versions
            and end.applied == end.requested
            and end.holder is None
        ),
    )


def _request_moves(protocol: Protocol, state: State) -> Iterator[Move[State]]:
    for place, version in enumerate(state.unrequested):
        if state.stripe >= version:
            rest = state.unrequested[:place] + state.unrequested[place + 1 :]
            after_request = state._replace(unrequested=rest)
            yield Move(f"request v{version}", after_request._replace(requested=state.requested + 1))
            if _may_skip_request(protocol, state):
                yield Move(f"v{version} is already requested", after_request)


def _may_skip_request(protocol: Protocol, state: State) -> bool:
    if state.applied >= state.requested:
        return False
    is_free = state.holder is None
    return {"let go": state.is_released, "free": is_free, "always": True}[protocol.skips_request]


def _worker_moves(protocol: Protocol, state: State, number: int) -> Iterator[Move[State]]:
    worker = state.workers[number]
    if worker.phase is Phase.IDLE:
        yield from _claim_moves(protocol, state, number)
        return
    if worker.phase is Phase.CLAIMED:
        yield Move(f"worker {number}: read", _after_read(state, number))
        if state.failures:
            yield Move(f"worker {number}: read fails", _after_failure(state, number))
    else:
        yield _write_move(protocol, state, number)
    if state.deaths:
        yield Move(
            f"worker {number}: dies",
            _with_worker(state, number, Worker())._replace(deaths=state.deaths - 1),
        )


def _claim_moves(protocol: Protocol, state: State, number: int) -> Iterator[Move[State]]:
    is_free = state.holder is None or not protocol.leased
    if state.applied >= state.requested or not is_free:
        return
    claimed = state._replace(epoch=state.epoch + 1, holder=number, is_released=False)
    if protocol.applies == "at claim":
        claimed = claimed._replace(applied=state.requested)
    worker = Worker(Phase.CLAIMED, claimed.epoch, state.requested)
    if protocol.reads_first:
        # It asked Stripe at some time before; the oldest answer that is possible is the last
        # version that our row had, the worst case of a slow request.
        for value in range(state.row, state.stripe + 1):
            read = worker._replace(phase=Phase.HAS_READ, value=value)
            yield Move(
                f"worker {number}: had read v{value}, claims", _with_worker(claimed, number, read)
            )
        return
    yield Move(f"worker {number}: claims", _with_worker(claimed, number, worker))


def _after_read(state: State, number: int) -> State:
    worker = state.workers[number]
    return _with_worker(state, number, worker._replace(phase=Phase.HAS_READ, value=state.stripe))


def _after_failure(state: State, number: int) -> State:
    """State after a failed read: a worker that still holds the lease releases it."""
    is_holder = state.workers[number].epoch == state.epoch
    after = _with_worker(state, number, Worker())._replace(failures=state.failures - 1)
    return after._replace(holder=None, is_released=True) if is_holder else after


def _write_move(protocol: Protocol, state: State, number: int) -> Move[State]:
    worker = state.workers[number]
    is_holder = worker.epoch == state.epoch
    after = _with_worker(state, number, Worker())
    if protocol.fenced and not is_holder:
        return Move(f"worker {number}: write is refused", after)
    applied = state.requested if protocol.applies == "now" else worker.seen
    return Move(
        f"worker {number}: writes v{worker.value}",
        after._replace(
            row=worker.value,
            applied=max(state.applied, applied),
            holder=None if is_holder else state.holder,
            is_released=is_holder or state.is_released,
        ),
        backwards=worker.value < state.row,
    )


def _expiry_moves(state: State) -> Iterator[Move[State]]:
    """A dead holder's lease runs out in the end; a live one's may, too early."""
    if state.holder is None:
        return
    worker = state.workers[state.holder]
    is_alive = worker.phase is not Phase.IDLE and worker.epoch == state.epoch
    if not is_alive:
        yield Move("the lease of the dead expires", state._replace(holder=None))
    elif state.expiries:
        yield Move(
            "a lease expires early",
            state._replace(holder=None, expiries=state.expiries - 1),
        )


def _with_worker(state: State, number: int, worker: Worker) -> State:
    workers = list(state.workers)
    workers[number] = worker
    return state._replace(workers=tuple(workers))
