"""Events of one transaction, inserted in one statement at its end.

Nobody sees what lies between two changes of one transaction. So an event that is gathered can show
a later state of its subject: an invoice that is stored before its payment is announced with it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from common import prepared_inserts
from events.models import OutboxEvent


@dataclass(slots=True)
class _Gathered:
    """Events that are not inserted yet, and the subjects that were created with them."""

    events: list[OutboxEvent] = field(default_factory=list)
    new_subjects: set[str] = field(default_factory=set)


_gathered: ContextVar[_Gathered | None] = ContextVar("gathered_events", default=None)


@contextmanager
def gathered() -> Iterator[None]:
    """Events that are recorded inside are inserted at the end, in this order; after an error none
    is.

    For a transaction in which no error is caught: a savepoint that is rolled back would leave its
    events.
    """
    held = _Gathered()
    token = _gathered.set(held)
    try:
        yield
    finally:
        _gathered.reset(token)
    insert(held.events)


def insert(events: Sequence[OutboxEvent]) -> None:
    """Insert the events, or gather them."""
    held = _gathered.get()
    if held is not None:
        held.events += events
    else:
        prepared_inserts.insert(events)


def note_new(subject: str) -> None:
    """The subject is created in this transaction: its events have no previous values."""
    held = _gathered.get()
    if held is not None:
        held.new_subjects.add(subject)


def show_later_state(later: OutboxEvent) -> bool:
    """Let the gathered events that state what ``later`` states show its values, with the values
    before all of these changes as previous ones. False if there is none."""
    held = _gathered.get()
    states = [] if held is None else [each for each in held.events if _is_state(each, later)]
    for event in states:
        event.data = later.data
        if held is not None and event.subject not in held.new_subjects:
            event.previous = {**later.previous, **event.previous}
    return bool(states)


def _is_state(event: OutboxEvent, later: OutboxEvent) -> bool:
    """Whether both state the same thing: "invoice.paid" and "invoice.updated" of one invoice."""
    kinds = {each.type.partition(".")[0] for each in (event, later)}
    return (
        event.subject == later.subject
        and len(kinds) == 1
        and event.data.keys() == later.data.keys()
    )
