"""Model: where an event can get lost between Stripe's request and the applied change.

As in ``webhooks.services.intake``: Stripe sends until it is told that the event has arrived. The
web process may die between any two steps, the wake-up may fail, the answer may get lost, and the
worker may die. Each of these happens at most once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.models.exploration import Move, Tally, explore

SENDS = 3


class State(NamedTuple):
    step: int | None
    """Where the request is, if one is under way."""
    created: bool
    """Whether this request was the one that stored the event."""
    sends: int
    acked: bool
    stored: bool
    sync_requested: bool
    wake_up_sent: bool
    awake: bool
    claimed: bool
    applied: int
    web_dies: bool
    wake_up_fails: bool
    answer_fails: bool
    worker_dies: bool


@dataclass(frozen=True, slots=True)
class Design:
    """The steps of a request in their order, and whether a sweep finds what they left."""

    steps: tuple[str, ...]
    """``store``, ``request``, ``store and request`` (one transaction), ``wake``, ``answer``."""
    sweeps: bool
    repeats_request: bool = False
    """Whether a delivery of a known event requests a sync and wakes a worker as well."""
    claims_first: bool = False
    """Whether the request is removed in a transaction of its own before the work is done."""


OURS = Design(("store and request", "wake", "answer"), sweeps=True)
WRONG: dict[str, Design] = {
    "answer first, store in the background": Design(
        ("answer", "store and request", "wake"), sweeps=True
    ),
    "no sweep, a known event does not ring": Design(
        ("store and request", "wake", "answer"), sweeps=False
    ),
    "no sweep, ring after the answer": Design(
        ("store and request", "answer", "wake"), sweeps=False, repeats_request=True
    ),
    "store and mark in two transactions": Design(
        ("store", "request", "wake", "answer"), sweeps=True
    ),
    "the mark is taken before the work is done": Design(
        ("store and request", "wake", "answer"), sweeps=True, claims_first=True
    ),
}


def run(design: Design) -> Tally:
    """Every schedule. Wrong is an event that was acknowledged and never applied."""
    start = State(
        step=None,
        created=False,
        sends=SENDS,
        acked=False,
        stored=False,
        sync_requested=False,
        wake_up_sent=False,
        awake=False,
        claimed=False,
        applied=0,
        web_dies=True,
        wake_up_fails=True,
        answer_fails=True,
        worker_dies=True,
    )

    def moves(state: State) -> Iterator[Move[State]]:
        yield from _delivery_moves(design, state)
        yield from _worker_moves(design, state)

    return explore(start, moves=moves, is_right=lambda end: not (end.acked and not end.applied))


def _delivery_moves(design: Design, state: State) -> Iterator[Move[State]]:
    if state.step is None:
        if not state.acked and state.sends:
            yield Move("stripe sends", state._replace(step=0, sends=state.sends - 1, created=False))
        return
    name = design.steps[state.step]
    rest = state.step + 1
    done = state._replace(step=rest if rest < len(design.steps) else None)
    yield Move(name, _after_step(name, design, done))
    if name == "wake" and state.wake_up_fails:
        yield Move("the wake-up fails", done._replace(wake_up_fails=False))
    if name == "answer" and state.answer_fails:
        yield Move("the answer is lost", done._replace(answer_fails=False))
    if state.web_dies:
        yield Move("the web process dies", state._replace(step=None, web_dies=False))


def _after_step(name: str, design: Design, state: State) -> State:
    """The state after one step of a request."""
    if name == "answer":
        return state._replace(acked=True)
    if name.startswith("store"):
        state = state._replace(created=not state.stored, stored=True)
    acts = state.created or design.repeats_request
    if name.endswith("request"):
        return state._replace(sync_requested=state.sync_requested or acts)
    if name == "wake":
        return state._replace(wake_up_sent=state.wake_up_sent or acts)
    return state


def _worker_moves(design: Design, state: State) -> Iterator[Move[State]]:
    if not state.awake:
        if state.wake_up_sent:
            yield Move("the wake-up wakes a worker", state._replace(wake_up_sent=False, awake=True))
        elif state.sync_requested and design.sweeps:
            yield Move("the sweep wakes a worker", state._replace(awake=True))
        return
    asleep = state._replace(awake=False, claimed=False)
    if state.claimed:
        yield Move("apply", asleep._replace(applied=state.applied + 1))
    elif not state.sync_requested:
        yield Move("nothing to do", asleep)
    elif design.claims_first:
        yield Move("claim", state._replace(claimed=True, sync_requested=False))
    else:
        yield Move(
            "apply and clear the request",
            asleep._replace(sync_requested=False, applied=state.applied + 1),
        )
    if state.worker_dies:
        yield Move("the worker dies", asleep._replace(worker_dies=False))
