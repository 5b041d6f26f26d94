"""The meter events by which Stripe is told of records: which records each stands for.

An event has an identifier, by which Stripe knows one that comes again, and stands for the records
that carry it in ``event_identifier``. Both are written before Stripe is asked, in one statement
that takes only records of which nobody was told: whatever crashes, the same records are told again
under the same identifier, with the same sum. A record leaves its event only when Stripe has refused
it or
has taken it back.

Records of one customer and meter within a minute become one event where the meter adds up, at most
a thousand at once. The SQL is constant; it says what the ORM cannot: what is written about many
records of many customers follows from the records themselves.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any, NamedTuple

from django.db import connection

from usage.models import Record
from usage.models.record import Forwarding
from usage.reporting import meter_event_sql as sql

MOST = 1000
"""Records in one event."""
IDENTIFIER = re.compile(r"(cus_[0-9a-z]{1,40})\.([0-9a-f]{1,9})\.[0-9a-f]{12}(?:\.[0-9]{1,6})?")
LARGE = 10**12
"""A record with at least this value has an event of its own: Stripe takes 15 digits."""


class Window(NamedTuple):
    """Where records lie that become one event: ``[since, until)`` of one customer and meter."""

    project_id: str
    customer_id: str
    meter_id: str
    since: datetime
    until: datetime
    identifier: str


class MeterEvent(NamedTuple):
    """What Stripe is told at once: the sum of ``records`` records, of which the last happened at
    ``last``. ``pending`` of them have not had an answer."""

    project_id: str
    customer_id: str
    meter_id: str
    identifier: str
    first: datetime
    last: datetime
    value: int
    records: int
    pending: int


class Ended(NamedTuple):
    """What became of an event; ``is_known`` says that Stripe may have it."""

    event: MeterEvent
    outcome: Forwarding
    error: str = ""
    is_known: bool = True


def gather(*, windows: Sequence[Window], oldest: datetime, at: datetime) -> list[MeterEvent]:
    """Make events of the records in these windows that nobody was told of, from ``oldest`` on.

    Two windows must not overlap. Records with a large value are left out (:func:`fix_each`).
    """
    if not windows:
        return []
    given = {**_ranges(windows), "oldest": oldest, "at": at, "most": MOST, "large": LARGE}
    return _events(sql.GATHER, given)


def fix_each(
    *, records: Sequence[Record], identifiers: Sequence[str], at: datetime
) -> list[MeterEvent]:
    """Make an event of each of these records, if nobody was told of it."""
    if not records:
        return []
    given: dict[str, Any] = {
        **_places(records),
        "moments": [record.occurred_at for record in records],
        "ids": [record.id for record in records],
        "identifiers": list(identifiers),
        "at": at,
    }
    return _events(sql.FIX_EACH, given)


def find(*, windows: Sequence[Window]) -> list[MeterEvent]:
    """Events that were made before: by a window, both ends included, in which all records lie."""
    return _events(sql.FIND, _ranges(windows)) if windows else []


def end(*, outcomes: Sequence[Ended]) -> None:
    """Write down what became of each event: for its records that have had no answer, and if Stripe
    has not counted it also for those that were voided meanwhile."""
    if outcomes:
        given: dict[str, Any] = {
            **_spans([each.event for each in outcomes]),
            "outcomes": [each.outcome.value for each in outcomes],
            "errors": [each.error for each in outcomes],
            "known": [each.is_known for each in outcomes],
        }
        _run(sql.END, given)


def unmake(*, events: Sequence[MeterEvent]) -> None:
    """Stripe was certainly never asked to count these: their records are as before."""
    end(outcomes=[Ended(each, Forwarding.PENDING, is_known=False) for each in events])


def taken_back(*, events: Sequence[MeterEvent]) -> None:
    """Stripe does not count these any more: their void records are canceled, the others are to be
    told anew."""
    if events:
        _run(sql.TAKEN_BACK, _spans(events))


def new_identifier(customer_id: str, moment: datetime) -> str:
    """An identifier that was never used, and that says in whose minute its records lie."""
    minute = int(moment.timestamp()) // 60
    return f"{customer_id}.{minute:x}.{token_hex(6)}"


def window_of(identifier: str, *, project_id: str, meter_id: str) -> Window | None:
    """Where the records of an event of this meter lie, by its identifier; None if it is none of
    ours."""
    shape = IDENTIFIER.fullmatch(identifier)
    if shape is None:
        return None
    since = datetime.fromtimestamp(int(shape[2], 16) * 60, tz=UTC)
    until = since + timedelta(minutes=1)
    return Window(project_id, shape[1], meter_id, since, until, identifier)


def lost(*, event: MeterEvent, error: str) -> MeterEvent | None:
    """Stripe has taken this event and does not count it: its records are refused. What was refused
    now; None when that was written down before."""
    given = {**_spans([event]), "errors": [error]}
    found = _events(sql.LOST, given)
    return found[0] if found else None


def identifier_of(record: Record) -> str:
    """Of the event that tells, or has told, Stripe of this record."""
    return record.event_identifier or record.id


def _events(statement: str, given: dict[str, Any]) -> list[MeterEvent]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return [
            MeterEvent._make((*row[:6], int(row[6]), row[7], row[8])) for row in cursor.fetchall()
        ]


def _run(statement: str, given: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)


def _ranges(windows: Sequence[Window]) -> dict[str, Any]:
    return {
        **_places(windows),
        "firsts": [each.since for each in windows],
        "ends": [each.until for each in windows],
        "identifiers": [each.identifier for each in windows],
    }


def _spans(events: Sequence[MeterEvent]) -> dict[str, Any]:
    return {
        **_places(events),
        "firsts": [each.first for each in events],
        "lasts": [each.last for each in events],
        "identifiers": [each.identifier for each in events],
    }


def _places(rows: Sequence[Any]) -> dict[str, Any]:
    return {
        "projects": [each.project_id for each in rows],
        "customers": [each.customer_id for each in rows],
        "meters": [each.meter_id for each in rows],
    }
