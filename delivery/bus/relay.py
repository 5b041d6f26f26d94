"""Publish the log to a bus, in batches of one transaction: lock the cursor, publish, move it.

The row of the cursor stays locked while the bus is written, against the rule that no transaction
spans a network call: it keeps other relays from publishing or rebuilding at the same time, nothing
else waits for it, and the bus has a second to answer. Where it dies between publishing and moving,
the batch is published again, which changes nothing in Redis Streams and repeats messages in Kafka.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from common import fair_queue
from common.fair_queue import RetryRule
from delivery.bus import selectors
from delivery.bus.bus import Bus, BusAhead, BusUnavailable
from delivery.outlets import outlet
from delivery.outlets.outlet import Start
from events.log import epochs, rendered
from events.log import selectors as event_log
from events.log.rendered import RenderedEvent

log = structlog.get_logger(__name__)

RULE = RetryRule(queue=selectors.QUEUE, first=timedelta(seconds=1), longest=timedelta(seconds=30))
MAX_BATCHES = 20
"""Of one run."""
LOOK_SECONDS = 1.0
"""Time between two looks at a bus when there is nothing to publish: it may have been emptied."""

_looked_at: dict[str, float] = {}
"""When this process has last looked at each bus, by the monotonic clock."""


@dataclass(frozen=True, slots=True)
class RelayRun:
    """How many events were published, and whether none is left."""

    events: int
    is_complete: bool


def is_due(name: str) -> bool:
    """Whether this bus should be visited now: there are new events, or the last look was a second
    ago. It costs one statement, for it is asked 20 times a second."""
    state = selectors.relay_state(name)
    if state is None or state.is_waiting:
        return False
    return state.has_events or time.monotonic() - _looked_at.get(name, 0.0) >= LOOK_SECONDS


def run(bus: Bus, *, at: datetime, max_batches: int = MAX_BATCHES) -> RelayRun:
    """Publish what is new, and anew what the bus has lost. Does nothing while another relay runs.
    Closes the bus.

    A bus that is away makes this outlet wait, longer each time, and nothing else.
    """
    _looked_at[bus.outlet] = time.monotonic()
    try:
        result = _publish(bus, at, max_batches)
    except BusUnavailable as error:
        fair_queue.record_failure(RULE, owner=bus.outlet, error=error)
        return RelayRun(0, is_complete=False)
    finally:
        bus.close()
    if selectors.has_failed(bus.outlet):
        fair_queue.record_success(RULE, owner=bus.outlet)
    return result


def begin_anew(bus: Bus, *, at: datetime) -> bool:
    """Set the cursor to the oldest event that is kept, and let the bus forget what it has. False
    while a relay runs. Raises BusUnavailable."""
    try:
        with transaction.atomic():
            row = outlet.lock(bus.outlet, start=Start.OLDEST)
            if row is None:
                return False
            bus.forget()
            outlet.move(row, number=0, at=at)
    finally:
        bus.close()
    fair_queue.record_success(RULE, owner=bus.outlet)
    return True


def _publish(bus: Bus, at: datetime, max_batches: int) -> RelayRun:
    events, pages = 0, LogPages()
    for _ in range(max_batches):
        try:
            published = _publish_batch(bus, pages, at)
        except BusAhead:
            epochs.begin(instead_of=event_log.epoch())
            continue
        if published is None:
            return RelayRun(events, is_complete=True)
        events += published
    return RelayRun(events, is_complete=False)


def _publish_batch(bus: Bus, pages: "LogPages", at: datetime) -> int | None:
    """The number of published events, 0 if the bus has to be filled first; None if nothing is left,
    or another relay runs."""
    with transaction.atomic():
        row = outlet.lock(bus.outlet, start=Start.OLDEST)
        if row is None:
            return None
        before = row.number
        events = pages.behind(before)
        number = bus.publish(
            events, after=before, epoch=event_log.epoch(), meanwhile=pages.read_ahead
        )
        if number != before:
            outlet.move(row, number=number, at=at)
        if number < before:
            log.warning("bus_lost_events", bus=bus.outlet, before=before, now=number)
        if not events and number == before:
            return None
        return len(events) if number > before else 0


class LogPages:
    """Pages of the log, of which the next is read while the bus is busy with the last."""

    def __init__(self) -> None:
        self._next: list[RenderedEvent] | None = None
        self._after_next = -1

    def behind(self, number: int) -> list[RenderedEvent]:
        """The first events behind this number."""
        is_read = self._next is not None and self._after_next == number
        events = self._next if self._next is not None and is_read else rendered.page(after=number)
        self._next = None
        self._after_next = events[-1].number if len(events) == rendered.PAGE else -1
        return events

    def read_ahead(self) -> None:
        """Read the page behind the last one, if that was full."""
        if self._after_next >= 0:
            self._next = rendered.page(after=self._after_next)
