"""Fill the log of a database with events of all customers, numbered as the sequencer does.

Every customer gets the same number of events, in turns. Ways out begin behind them: nobody who has
just read ten million events is measured. The events that created the measured project get no place.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
import psycopg
from tqdm import tqdm

from benchmarks.bulk_data import count_customers, customers_of_another, public_id
from benchmarks.measured_project import MeasuredProject
from benchmarks.sizes import RunSize
from common import ids

STEP = timedelta(milliseconds=10)
"""Time between two events."""
CHUNK = 50_000
FILLING = "x" * 80
ALL_EVENTS = """
COPY events_outboxevent (id, project_id, type, occurred_at, subject, customer_id, version, data,
    previous, schema_version) FROM STDIN
"""
ALL_PLACES = """
COPY events_loggedevent (event_id, project_id, number, position, customer_id, sequence,
    previous_version, type) FROM STDIN
"""
HEADS = """
INSERT INTO events_loghead (id, epoch, number)
    SELECT 1, 'bench', max(number) FROM events_loggedevent HAVING max(number) > 0;
INSERT INTO events_projecthead (project_id, position)
    SELECT project_id, max(position) FROM events_loggedevent GROUP BY project_id;
INSERT INTO events_customerhead (project_id, customer_id, sequence, version)
    SELECT project_id, customer_id, max(sequence), max(sequence)
    FROM events_loggedevent GROUP BY project_id, customer_id;
INSERT INTO delivery_outlet (name, number) SELECT 'bus', number FROM events_loghead;
"""
STRIDE = 7_919
"""Customers between one event and the next: a prime, so that each gets a turn."""
TYPE = "customer.updated"


class _Place(NamedTuple):
    """An event's place in the log. ``sequence`` is also the customer's version."""

    number: int
    project: str
    position: int
    customer: str
    sequence: int
    at: datetime


def insert_log(connection: psycopg.Connection[Any], shop: MeasuredProject, size: RunSize) -> None:
    """Insert ``size.events`` events and their places, the last one recorded a minute ago."""
    connection.execute("SET session_replication_role = replica")  # they get no place once more
    connection.execute("SET synchronous_commit = off")
    connection.execute("TRUNCATE events_pendingevent")
    with tqdm(total=size.events, unit=" events", disable=None, leave=False) as bar:
        for places in _iterate_chunks(shop, size):
            event_ids = [ids.first_id("evt", place.at) for place in places]
            rows = list(zip(event_ids, places, strict=True))
            _copy(connection, ALL_EVENTS, (_event(*row) for row in rows))
            _copy(connection, ALL_PLACES, (_place(*row) for row in rows))
            bar.update(len(places))
    connection.execute(HEADS.encode())
    for table in ("outboxevent", "loggedevent", "customerhead", "projecthead"):
        connection.execute(f"VACUUM ANALYZE events_{table}".encode())
    connection.execute("CHECKPOINT")


def _iterate_chunks(shop: MeasuredProject, size: RunSize) -> Iterator[list[_Place]]:
    places = _iterate_places(shop, size)
    for first in range(0, size.events, CHUNK):
        yield [next(places) for _ in range(min(CHUNK, size.events - first))]


def _iterate_places(shop: MeasuredProject, size: RunSize) -> Iterator[_Place]:
    customers, positions = count_customers(size), Counter[str]()
    begin = datetime.now(UTC) - timedelta(minutes=1) - size.events * STEP
    each = customers_of_another(size)
    for number in range(1, size.events + 1):
        turn, place = divmod(number - 1, customers)
        customer = place * STRIDE % customers
        project = shop.project
        if customer >= size.crowd:
            project = public_id("prj", 1 + (customer - size.crowd) // each)
        positions[project] += 1
        yield _Place(
            number=number,
            project=project,
            position=positions[project],
            customer=public_id("cus", customer),
            sequence=turn + 1,
            at=begin + number * STEP,
        )


def _event(event_id: str, place: _Place) -> tuple[object, ...]:
    body = {
        "id": place.customer,
        "user_id": place.customer,
        "email": "",
        "name": FILLING,
        "locale": "",
        "metadata": {},
        "version": place.sequence,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }
    return (
        event_id, place.project, TYPE, place.at, place.customer, place.customer, place.sequence,
        orjson.dumps(body).decode(), "{}", 1,
    )  # fmt: skip


def _place(event_id: str, place: _Place) -> tuple[object, ...]:
    return (
        event_id, place.project, place.number, place.position, place.customer, place.sequence,
        place.sequence - 1, TYPE,
    )  # fmt: skip


def _copy(
    connection: psycopg.Connection[Any], statement: str, rows: Iterator[tuple[object, ...]]
) -> None:
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)
