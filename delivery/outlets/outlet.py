"""A way out takes the next events of the log and moves its cursor behind them.

Move the cursor in the transaction of the effect, and the effect happens exactly once; move it after
an effect outside of the database, and it happens at least once.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from common import ids
from delivery.models import Outlet
from delivery.outlets import selectors
from events.log import selectors as event_log
from events.models import LoggedEvent


class Start(Enum):
    """Where an outlet begins that has never run."""

    OLDEST = "all events that are kept"
    NEXT = "future events only"


@dataclass(frozen=True, slots=True)
class OutletLag:
    """``events`` are not dealt with yet; the oldest of them was recorded ``age`` ago."""

    events: int
    age: timedelta


def lock(name: str, *, start: Start) -> Outlet | None:
    """The outlet, locked until the transaction ends; None while another process has it."""
    outlet = selectors.lock(name)
    if outlet is None:
        number = event_log.last_number() if start is Start.NEXT else 0
        Outlet.objects.bulk_create([Outlet(name=name, number=number)], ignore_conflicts=True)
        outlet = selectors.lock(name)
    return outlet


def take(outlet: Outlet, *, limit: int) -> list[LoggedEvent]:
    """The next events of all projects, with their content, in the order of their numbers."""
    return event_log.read_all(after=outlet.number, limit=limit)


def move(outlet: Outlet, *, number: int, at: datetime) -> None:
    """Everything up to this number is dealt with; a smaller one sets the outlet back."""
    outlet.number, outlet.moved_at = number, at
    outlet.save(update_fields=["number", "moved_at"])


def lags(*, at: datetime) -> defaultdict[str, OutletLag]:
    """How far each outlet is behind the log, by name; nothing for one that has never run. One
    query."""
    lags = defaultdict(lambda: OutletLag(0, timedelta()))
    for name, events, first in selectors.next_events():
        lags[name] = OutletLag(events, max(at - ids.time_of(first), timedelta()))
    return lags
