"""Read the log as finished bytes, for readers that pass on every event.

PostgreSQL writes ``data`` and ``previous`` as text, which goes into the body as it is: nothing is
parsed, and no model instance is made. A page takes a third of :func:`events.log.selectors.read_all`
with rendering. The rest of the body is that of ``events.representation``.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from common.prepared_queries import Parameter, PreparedValues, is_any
from events.models import LoggedEvent
from events.representation import EventColumns, event_of

PAGE = 500
"""Events of one page."""


class RenderedEvent(NamedTuple):
    """An event with its body as JSON."""

    number: int
    project_id: str
    position: int
    customer_id: str
    event_id: str
    event_type: str
    traceparent: str
    body: bytes


_COLUMNS = (
    *("number", "project_id", "event_id", "type", "event__schema_version", "event__occurred_at"),
    *("position", "customer_id", "sequence", "event__version", "previous_version"),
    *("event__subject", "event__cause_type", "event__cause_id"),
)
"""The columns of a body (``EventColumns``), behind the event's number and project."""


def _columns(rows: QuerySet[LoggedEvent]) -> QuerySet[Any, Any]:
    data = Cast("event__data", TextField())
    previous = Cast("event__previous", TextField())
    return rows.values_list(*_COLUMNS, data, previous, "event__traceparent")[:PAGE]


_PAGE_OF_ALL = PreparedValues(
    lambda: _columns(
        LoggedEvent.objects.across_projects()
        .filter(number__gt=Parameter("after"))
        .order_by("number")
    )
)
_PAGE_OF_PROJECT = PreparedValues(
    lambda: _columns(
        LoggedEvent.objects.for_project(Parameter("project_id"))
        .filter(position__gt=Parameter("after"), position__lte=Parameter("until"))
        .order_by("position")
    )
)
_CHOSEN = PreparedValues(
    lambda: _columns(LoggedEvent.objects.across_projects().filter(is_any("event_id", "ids")))
)


def page(*, after: int) -> list[RenderedEvent]:
    """The first events of all projects behind a number, in order."""
    return [_render(row) for row in _PAGE_OF_ALL.rows(after=after)]


def page_of_project(*, project_id: str, after: int, until: int) -> list[RenderedEvent]:
    """The first events of a project behind one position and up to another, in order."""
    rows = _PAGE_OF_PROJECT.rows(project_id=project_id, after=after, until=until)
    return [_render(row) for row in rows]


def chosen(event_ids: Sequence[str]) -> list[RenderedEvent]:
    """These events, in any order, at most ``PAGE``; one without a position is absent."""
    return [_render(row) for row in _CHOSEN.rows(ids=list(event_ids))]


def _render(row: tuple[Any, ...]) -> RenderedEvent:
    number, project_id, *columns, data, previous, traceparent = row
    event = EventColumns._make((*columns, orjson.Fragment(data), orjson.Fragment(previous)))
    return RenderedEvent(
        number=number,
        project_id=project_id,
        position=event.position,
        customer_id=event.customer_id,
        event_id=event.id,
        event_type=event.type,
        traceparent=traceparent,
        body=orjson.dumps(event_of(event)),
    )
