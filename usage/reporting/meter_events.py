"""Meter events: which records each event reports to Stripe.

An event has an identifier, by which Stripe deduplicates, and stands for the records that carry it
in ``event_identifier``. Both are written before Stripe is called, in one statement that takes only
records without an event: after a crash the same records are reported again under the same
identifier, with the same sum. A record leaves its event only when Stripe has refused or canceled
it.

Records of one customer and meter within a minute become one event when the meter adds up, at most a
thousand. The SQL is constant; it writes many records by what they contain, which the ORM cannot
express.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any, NamedTuple

from django.db import connection

from usage.models import Record
from usage.models.record import Forwarding
from usage.reporting import meter_event_sql

MAX_RECORDS = 1000
"""Records in one event."""
IDENTIFIER = re.compile(r"(cus_[0-9a-z]{1,40})\.([0-9a-f]{1,9})\.[0-9a-f]{12}(?:\.[0-9]{1,6})?")
LARGE_VALUE = 10**12
"""A record with at least this value has an event of its own: Stripe accepts 15 digits."""


class EventWindow(NamedTuple):
    """The span ``[since, until)`` of one customer and meter whose records become one event."""

    project_id: str
    customer_id: str
    meter_id: str
    since: datetime
    until: datetime
    identifier: str


class MeterEvent(NamedTuple):
    """One event: the sum of ``records`` records from ``first`` to ``last``. ``pending`` of them
    have no result yet."""

    project_id: str
    customer_id: str
    meter_id: str
    identifier: str
    first: datetime
    last: datetime
    value: int
    records: int
    pending: int


class MeterEventResult(NamedTuple):
    """The result of an event. ``is_known``: Stripe may have it."""

    event: MeterEvent
    outcome: Forwarding
    error: str = ""
    is_known: bool = True


def gather(*, windows: Sequence[EventWindow], oldest: datetime, at: datetime) -> list[MeterEvent]:
    """Make events of the records in these windows that have none, from ``oldest`` on.

    Windows must not overlap. Records with a large value are left out (:func:`assign_each`).
    """
    if not windows:
        return []
    parameters = {
        **_window_arrays(windows),
        "oldest": oldest,
        "at": at,
        "most": MAX_RECORDS,
        "large": LARGE_VALUE,
    }
    return _events(meter_event_sql.GATHER, parameters)


def assign_each(
    *, records: Sequence[Record], identifiers: Sequence[str], at: datetime
) -> list[MeterEvent]:
    """Make an event of each of these records that has none."""
    if not records:
        return []
    parameters: dict[str, Any] = {
        **_key_arrays(records),
        "moments": [record.occurred_at for record in records],
        "ids": [record.id for record in records],
        "identifiers": list(identifiers),
        "at": at,
    }
    return _events(meter_event_sql.FIX_EACH, parameters)


def find(*, windows: Sequence[EventWindow]) -> list[MeterEvent]:
    """Existing events, by windows (both ends included) that hold all of their records."""
    return _events(meter_event_sql.FIND, _window_arrays(windows)) if windows else []


def record_results(*, outcomes: Sequence[MeterEventResult]) -> None:
    """Store the result of each event on its records without a result, and on records that were
    voided meanwhile when Stripe has not counted the event."""
    if outcomes:
        parameters: dict[str, Any] = {
            **_event_arrays([result.event for result in outcomes]),
            "outcomes": [result.outcome.value for result in outcomes],
            "errors": [result.error for result in outcomes],
            "known": [result.is_known for result in outcomes],
        }
        _run(meter_event_sql.END, parameters)


def discard(*, events: Sequence[MeterEvent]) -> None:
    """Undo events that were certainly never sent: their records are pending again."""
    record_results(
        outcomes=[MeterEventResult(event, Forwarding.PENDING, is_known=False) for event in events]
    )


def record_cancellation(*, events: Sequence[MeterEvent]) -> None:
    """Stripe has canceled these events: their void records are canceled, the others are reported
    anew."""
    if events:
        _run(meter_event_sql.TAKEN_BACK, _event_arrays(events))


def new_identifier(customer_id: str, moment: datetime) -> str:
    """A new identifier that contains the minute of its records."""
    minute = int(moment.timestamp()) // 60
    return f"{customer_id}.{minute:x}.{token_hex(6)}"


def window_of(identifier: str, *, project_id: str, meter_id: str) -> EventWindow | None:
    """The window of an event's records, from its identifier; None for a foreign identifier."""
    match = IDENTIFIER.fullmatch(identifier)
    if match is None:
        return None
    since = datetime.fromtimestamp(int(match[2], 16) * 60, tz=UTC)
    until = since + timedelta(minutes=1)
    return EventWindow(project_id, match[1], meter_id, since, until, identifier)


def record_loss(*, event: MeterEvent, error: str) -> MeterEvent | None:
    """Stripe accepted this event and does not count it: its records are refused. Returns what
    was refused now; None when that was stored before."""
    parameters = {**_event_arrays([event]), "errors": [error]}
    events = _events(meter_event_sql.LOST, parameters)
    return events[0] if events else None


def identifier_of(record: Record) -> str:
    """The identifier of the event that reports this record."""
    return record.event_identifier or record.id


def _events(statement: str, parameters: dict[str, Any]) -> list[MeterEvent]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [
            MeterEvent._make((*row[:6], int(row[6]), row[7], row[8])) for row in cursor.fetchall()
        ]


def _run(statement: str, parameters: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _window_arrays(windows: Sequence[EventWindow]) -> dict[str, Any]:
    return {
        **_key_arrays(windows),
        "firsts": [window.since for window in windows],
        "ends": [window.until for window in windows],
        "identifiers": [window.identifier for window in windows],
    }


def _event_arrays(events: Sequence[MeterEvent]) -> dict[str, Any]:
    return {
        **_key_arrays(events),
        "firsts": [event.first for event in events],
        "lasts": [event.last for event in events],
        "identifiers": [event.identifier for event in events],
    }


def _key_arrays(rows: Sequence[Any]) -> dict[str, Any]:
    return {
        "projects": [row.project_id for row in rows],
        "customers": [row.customer_id for row in rows],
        "meters": [row.meter_id for row in rows],
    }
