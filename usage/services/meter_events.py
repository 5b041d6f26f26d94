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

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from usage.models import Record
from usage.models.record import Forwarding

MOST = 1000
"""Records in one event."""
LARGE = 10**12
"""A record with at least this value has an event of its own: Stripe takes 15 digits."""

_GATHER = """
WITH chosen AS (
    SELECT record.project_id, record.customer_id, record.meter_id, record.occurred_at, record.id,
        given.identifier || '.' || (row_number() OVER (
            PARTITION BY given.identifier ORDER BY record.occurred_at, record.id) - 1) / %(most)s
            AS identifier
    FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
        %(firsts)s::timestamptz[], %(ends)s::timestamptz[], %(identifiers)s::text[])
        AS given (project_id, customer_id, meter_id, since, until, identifier)
    JOIN usage_record AS record
        ON record.project_id = given.project_id AND record.customer_id = given.customer_id
        AND record.meter_id = given.meter_id
        AND record.occurred_at >= greatest(given.since, %(oldest)s)
        AND record.occurred_at < given.until
    WHERE record.forwarding = 'pending' AND record.forwarded_at IS NULL
        AND record.value < %(large)s
), fixed AS (
    UPDATE usage_record AS record
    SET event_identifier = given.identifier, forwarded_at = %(at)s
    FROM chosen AS given
    WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
        AND record.meter_id = given.meter_id AND record.occurred_at = given.occurred_at
        AND record.id = given.id AND record.forwarding = 'pending'
        AND record.forwarded_at IS NULL
    RETURNING record.project_id, record.customer_id, record.meter_id, record.occurred_at,
        record.value, record.event_identifier
)
SELECT project_id, customer_id, meter_id, event_identifier, min(occurred_at), max(occurred_at),
    sum(value), count(*), count(*)
FROM fixed GROUP BY project_id, customer_id, meter_id, event_identifier
"""

_FIX_EACH = """
UPDATE usage_record AS record SET event_identifier = given.identifier, forwarded_at = %(at)s
FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(moments)s::timestamptz[], %(ids)s::text[], %(identifiers)s::text[])
    AS given (project_id, customer_id, meter_id, occurred_at, id, identifier)
WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
    AND record.meter_id = given.meter_id AND record.occurred_at = given.occurred_at
    AND record.id = given.id COLLATE "C" AND record.forwarding = 'pending'
    AND record.forwarded_at IS NULL
RETURNING record.project_id, record.customer_id, record.meter_id, record.event_identifier,
    record.occurred_at, record.occurred_at, record.value, 1, 1
"""

_FIND = """
SELECT record.project_id, record.customer_id, record.meter_id, given.identifier,
    min(record.occurred_at), max(record.occurred_at), sum(record.value), count(*),
    count(*) FILTER (WHERE record.forwarding = 'pending')
FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(firsts)s::timestamptz[], %(ends)s::timestamptz[], %(identifiers)s::text[])
    AS given (project_id, customer_id, meter_id, since, until, identifier)
JOIN usage_record AS record
    ON record.project_id = given.project_id AND record.customer_id = given.customer_id
    AND record.meter_id = given.meter_id
    AND record.occurred_at >= given.since AND record.occurred_at <= given.until
    AND coalesce(nullif(record.event_identifier, ''), record.id) = given.identifier COLLATE "C"
GROUP BY record.project_id, record.customer_id, record.meter_id, given.identifier
"""

_END = """
UPDATE usage_record AS record SET
    forwarding = CASE
        WHEN record.forwarding = 'pending' THEN given.outcome
        WHEN given.is_known THEN record.forwarding
        ELSE '' END,
    forwarding_error = CASE WHEN record.forwarding = 'pending' THEN given.error ELSE '' END,
    event_identifier = CASE WHEN given.is_known THEN record.event_identifier ELSE '' END,
    forwarded_at = CASE WHEN given.is_known THEN record.forwarded_at END
FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(firsts)s::timestamptz[], %(lasts)s::timestamptz[], %(identifiers)s::text[],
    %(outcomes)s::text[], %(errors)s::text[], %(known)s::boolean[])
    AS given (project_id, customer_id, meter_id, since, until, identifier, outcome, error, is_known)
WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
    AND record.meter_id = given.meter_id
    AND record.occurred_at >= given.since AND record.occurred_at <= given.until
    AND coalesce(nullif(record.event_identifier, ''), record.id) = given.identifier COLLATE "C"
    AND (record.forwarding = 'pending' OR record.forwarding = 'canceling' AND NOT given.is_known)
"""

_TAKEN_BACK = """
UPDATE usage_record AS record SET
    forwarding = CASE WHEN record.voided_at IS NULL THEN 'pending' ELSE 'canceled' END,
    forwarding_error = '',
    event_identifier = CASE WHEN record.voided_at IS NULL THEN '' ELSE given.identifier END,
    forwarded_at = CASE WHEN record.voided_at IS NULL THEN NULL ELSE record.forwarded_at END
FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(firsts)s::timestamptz[], %(lasts)s::timestamptz[], %(identifiers)s::text[])
    AS given (project_id, customer_id, meter_id, since, until, identifier)
WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
    AND record.meter_id = given.meter_id
    AND record.occurred_at >= given.since AND record.occurred_at <= given.until
    AND coalesce(nullif(record.event_identifier, ''), record.id) = given.identifier COLLATE "C"
    AND record.forwarding IN ('told', 'refused', 'canceling')
"""


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
    return _events(_GATHER, given)


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
    return _events(_FIX_EACH, given)


def find(*, windows: Sequence[Window]) -> list[MeterEvent]:
    """Events that were made before: by a window, both ends included, in which all records lie."""
    return _events(_FIND, _ranges(windows)) if windows else []


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
        _run(_END, given)


def unmake(*, events: Sequence[MeterEvent]) -> None:
    """Stripe was certainly never asked to count these: their records are as before."""
    end(outcomes=[Ended(each, Forwarding.PENDING, is_known=False) for each in events])


def taken_back(*, events: Sequence[MeterEvent]) -> None:
    """Stripe does not count these any more: their void records are canceled, the others are to be
    told anew."""
    if events:
        _run(_TAKEN_BACK, _spans(events))


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
