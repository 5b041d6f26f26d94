"""Read the log in order."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from common import ids
from common.prepared_queries import PreparedValues
from common.prepared_statements import fetch_rows
from events.models import LoggedEvent, LogHead, OutboxEvent, PendingEvent, ProjectHead

DISORDER = 1000
"""Positions among which an event may be that was recorded before its neighbours."""
_OF_TYPES = """
SELECT event_id FROM (
    SELECT event_id, type, position FROM events_loggedevent
    WHERE project_id = %(project)s AND position > %(after)s AND position <= %(until)s
    ORDER BY position LIMIT %(until)s - %(after)s
) AS scanned
WHERE type = ANY(%(types)s) ORDER BY position LIMIT %(limit)s
"""
"""The inner limit lets PostgreSQL walk the index of positions: it cannot know that so few positions
are in the range, and would read the whole log."""
HEAD = 1
"""The primary key of the only row of ``LogHead``."""

_EPOCH = PreparedValues(lambda: LogHead.objects.filter(pk=HEAD).values_list("epoch"))
_FIRST_PENDING = PreparedValues(lambda: PendingEvent.objects.order_by("n").values_list("n")[:1])


@dataclass(frozen=True, slots=True)
class LogState:
    """What the log has of a project: the positions from ``oldest`` to ``head``. Without any event
    ``oldest`` is the position that the next one gets."""

    epoch: str
    head: int
    oldest: int


def has_pending() -> bool:
    """Whether events wait for their positions. Asked 20 times a second, so its query is prepared;
    its order keeps PostgreSQL from scanning rows that are dead and not vacuumed yet."""
    return bool(_FIRST_PENDING.rows())


def oldest_pending() -> datetime | None:
    """When the event was recorded that has waited longest for its position; None without one."""
    row = PendingEvent.objects.order_by("n").values_list("event_id", flat=True).first()
    return None if row is None else ids.time_of(row)


def lock_head() -> LogHead | None:
    """The head of the log; None if there is none yet, or another sequencer has locked it."""
    return LogHead.objects.select_for_update(skip_locked=True).filter(pk=HEAD).first()


def state(project_id: str) -> LogState:
    """The project's part of the log, in one statement."""
    head = ProjectHead.objects.for_project(project_id).values("position")
    oldest = LoggedEvent.objects.for_project(project_id).order_by("position").values("position")
    row = (
        LogHead.objects.filter(pk=HEAD)
        .annotate(head=Coalesce(Subquery(head[:1]), Value(0)), oldest=Subquery(oldest[:1]))
        .values_list("epoch", "head", "oldest")
        .first()
    )
    epoch, last, first = row or ("", 0, None)
    return LogState(epoch, last, last + 1 if first is None else first)


def find_ids(
    *,
    project_id: str,
    after: int,
    until: int,
    types: Collection[str],
    customer_id: str,
    limit: int,
) -> list[str]:
    """The first events behind ``after`` and up to ``until`` that are of these types (none: of all)
    or of a customer, or both, in order."""
    if not customer_id:
        values = {"project": project_id, "after": after, "until": until, "limit": limit}
        return [row[0] for row in fetch_rows(_OF_TYPES, {**values, "types": sorted(types)})]
    rows = LoggedEvent.objects.for_project(project_id).filter(
        customer_id=customer_id, sequence__gt=0, position__gt=after, position__lte=until
    )
    rows = rows.filter(type__in=types) if types else rows
    return list(rows.order_by("sequence").values_list("pk", flat=True)[:limit])


def position_before(*, project_id: str, moment: datetime) -> int:
    """The position behind which all events are that were recorded from this moment on, and perhaps
    a few older ones that committed late."""
    since = ids.first_id(ids.prefix_of(OutboxEvent), moment)
    recorded = OutboxEvent.objects.for_project(project_id).filter(pk__gte=since).order_by("pk")
    first_ids = list(recorded.values_list("pk", flat=True)[:DISORDER])
    rows = LoggedEvent.objects.for_project(project_id)
    first = _lowest(rows.filter(pk__in=first_ids))
    if first is None:
        return heads([project_id]).get(project_id, 0)
    earlier: int | None = first
    while earlier is not None:  # recorded later, and committed earlier
        first = earlier
        near = rows.filter(position__lt=first, position__gte=first - DISORDER)
        earlier = _lowest(near.filter(pk__gte=since))
    return first - 1


def _lowest(rows: QuerySet[LoggedEvent]) -> int | None:
    lowest: int | None = rows.aggregate(lowest=Min("position"))["lowest"]
    return lowest


def find(*, project_id: str, event_id: str) -> LoggedEvent | None:
    """One event with its content; None if the project has none with this id and a position."""
    rows = LoggedEvent.objects.for_project(project_id).filter(pk=event_id)
    return rows.select_related("event").first()


def heads(project_ids: Collection[str]) -> dict[str, int]:
    """The newest position of each of these projects; one without events is absent."""
    rows = ProjectHead.objects.across_projects().filter(pk__in=project_ids)
    return dict(rows.values_list("pk", "position"))


def read_all(*, after: int, limit: int) -> list[LoggedEvent]:
    """The first events of all projects behind a number, with their content, in order."""
    rows = LoggedEvent.objects.across_projects().filter(number__gt=after).order_by("number")
    return list(rows.select_related("event")[:limit])


def traceparents(event_ids: Collection[str]) -> dict[str, str]:
    """The traces of those of these events that have one, by the event's id."""
    rows = OutboxEvent.objects.across_projects().filter(pk__in=event_ids)
    return dict(rows.exclude(traceparent="").values_list("pk", "traceparent"))


def last_number() -> int:
    """The number of the newest event of all projects; 0 without any."""
    return LogHead.objects.filter(pk=HEAD).values_list("number", flat=True).first() or 0


def epoch() -> str:
    """The name of this history of positions; empty before the first event."""
    rows = _EPOCH.rows()
    return str(rows[0][0]) if rows else ""


def oldest_number() -> int | None:
    """The number of the oldest event that is kept; None without any."""
    rows = LoggedEvent.objects.across_projects().order_by("number")
    return rows.values_list("number", flat=True).first()


def event_at(number: int) -> str | None:
    """The id of the event with this number; None if there is none, or none any more."""
    rows = LoggedEvent.objects.across_projects().filter(number=number)
    return rows.values_list("pk", flat=True).first()


def head_page(*, after: str, limit: int) -> dict[str, int]:
    """The newest position of each project that has ever had an event, in the order of their ids,
    behind an id."""
    rows = ProjectHead.objects.across_projects().filter(pk__gt=after).order_by("pk")
    return dict(rows.values_list("pk", "position")[:limit])
