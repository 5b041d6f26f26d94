"""Pages of a project's events, in the order of the log."""

from collections.abc import Collection
from dataclasses import dataclass
from operator import attrgetter

from common.errors import Invalid, NotFound
from delivery.errors import EventsExpired, EventsRewound
from delivery.feed import cursors
from delivery.feed.cursors import LogCursor
from events.log import rendered
from events.log import selectors as log
from events.log.rendered import RenderedEvent
from events.log.selectors import LogState
from events.models import LoggedEvent

LATEST = "latest"
"""The cursor of a reader who wants future events only."""
MAX_SCANNED = 10_000
"""Positions that one page looks at: a rare type is searched for in steps."""


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """Which events a reader wants: all of them, or some types, or those of a customer."""

    types: Collection[str] = ()
    customer_id: str = ""

    @property
    def is_any(self) -> bool:
        """Whether every event passes."""
        return not (self.types or self.customer_id)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events, and where the next page begins. ``position``: nothing before it is missing."""

    events: list[RenderedEvent]
    position: int
    next: str
    head: int
    oldest: int

    @property
    def has_more(self) -> bool:
        return self.position < self.head


def read_page(*, project_id: str, after: str, filters: FeedFilter, limit: int) -> FeedPage:
    """The events behind a cursor, from the oldest that is kept if it is empty.

    Raises Invalid, EventsExpired, EventsRewound.
    """
    state = log.state(project_id)
    since = _position_of(after, project_id, state)
    until = state.head if filters.customer_id else min(state.head, since + MAX_SCANNED)
    if filters.is_any:
        until = min(until, since + limit)  # positions have no holes
        events = rendered.page_of_project(project_id=project_id, after=since, until=until)
    else:
        ids = log.find_ids(
            project_id=project_id,
            after=since,
            until=until,
            types=filters.types,
            customer_id=filters.customer_id,
            limit=limit,
        )
        events = sorted(rendered.chosen(ids), key=attrgetter("position"))
    position = events[-1].position if len(events) == limit else until
    next_cursor = LogCursor.at(position, project_id=project_id, epoch=state.epoch)
    return FeedPage(events, position, str(next_cursor), state.head, state.oldest)


def find(*, project_id: str, event_id: str) -> LoggedEvent:
    """One event. Raises NotFound, also for one that is so new that it has no position yet."""
    event = log.find(project_id=project_id, event_id=event_id)
    if event is None:
        raise NotFound
    return event


def _position_of(after: str, project_id: str, state: LogState) -> int:
    """The last position that the reader has seen."""
    if not after:
        return state.oldest - 1
    if after == LATEST:
        return state.head
    cursor = cursors.parse(after)
    if cursor is None or not cursor.is_of_project(project_id):
        raise Invalid("Send `next` of an earlier answer, or nothing.", field="after")
    oldest = str(LogCursor.at(state.oldest - 1, project_id=project_id, epoch=state.epoch))
    is_lost = cursor.position > state.head
    if is_lost or (cursor.position > 0 and not cursor.is_of_epoch(state.epoch)):
        raise EventsRewound(oldest=oldest)
    if cursor.position < state.oldest - 1:
        raise EventsExpired(oldest=oldest)
    return cursor.position
