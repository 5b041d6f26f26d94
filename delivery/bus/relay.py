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

    A bus that is away makes this outlet wait, longer each time, and nothing else.
    """
    _looked_at[bus.outlet] = time.monotonic()
    try:
        result = _publish(bus, at, max_batches)
    except BusUnavailable as error:
        fair_queue.record_failure(RULE, owner=bus.outlet, error=error)
        return RelayRun(0, is_complete=False)
    if selectors.has_failed(bus.outlet):
        fair_queue.record_success(RULE, owner=bus.outlet)
    return result


def _publish(bus: Bus, at: datetime, max_batches: int) -> RelayRun:
    events = 0
    for _ in range(max_batches):
        try:
            published = _publish_batch(bus, at)
        except BusAhead:
            log.error("bus_ahead_of_log", bus=bus.outlet)
            epochs.begin(instead_of=event_log.epoch())
            continue
        if published is None:
            return RelayRun(events, is_complete=True)
        events += published
    return RelayRun(events, is_complete=False)


def _publish_batch(bus: Bus, at: datetime) -> int | None:
    """The number of published events, 0 if the cursor went back; None if nothing is left, or
    another relay runs."""
    with transaction.atomic():
        row = outlet.lock(bus.outlet, start=Start.OLDEST)
        if row is None:
            return None
        before, epoch = row.number, event_log.epoch()
        events = rendered.page(after=before)
        number = bus.publish(events, after=before, epoch=epoch)
        if number != before:
            outlet.move(row, number=number, at=at)
        if number < before:
            log.warning("bus_lost_events", bus=bus.outlet, before=before, now=number)
            return 0
        return len(events) if number > before else None
