"""Copy many records into their tables, the fastest way into PostgreSQL.

The rows are written column by column in the binary form of COPY, in which the database reads a
moment or a number without parsing it; most columns are the same for all. COPY takes all rows or
none, and the ORM has no word for it. Rows go in as they lie in their index, and keys in the order
of their ids, so two batches with the same keys wait for each other in one order.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from itertools import repeat
from struct import Struct

from django.db import connection

from usage.records.row import Row

KEYS = """
COPY usage_recordkey (id, project_id, customer_id, meter_id, occurred_at, fingerprint)
FROM STDIN (FORMAT binary)
"""
RECORDS = """
COPY usage_record (customer_id, meter_id, occurred_at, id, project_id, recorded_at, corrects,
    forwarding, member, value) FROM STDIN (FORMAT binary)
"""

BEGINNING, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
COUNT, LENGTH, NUMBER = Struct(">h"), Struct(">i"), Struct(">iq")
NULL, EMPTY = LENGTH.pack(-1), LENGTH.pack(0)
MIDNIGHT, MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
"""From when on PostgreSQL counts time, and in what."""


def copy(*, project_id: str, rows: Sequence[Row], at: datetime, corrects: str) -> None:
    """Write the keys and the records; raises IntegrityError where one of the ids is there."""
    ids, customer_ids, meter_ids, moments, values, members, forwarded = zip(*rows, strict=True)
    named = [_text(id_) for id_ in ids]
    people, meters = _texts(customer_ids), _texts(meter_ids)
    times = {moment: _moment(moment) for moment in set(moments)}
    places = [
        people[customer_id] + meters[meter_id] + times[moment]
        for customer_id, meter_id, moment in zip(customer_ids, meter_ids, moments, strict=True)
    ]
    project = _text(project_id)
    keys = sorted([id_ + project + place + EMPTY for id_, place in zip(named, places, strict=True)])
    same = project + _moment(at) + _text(corrects)
    ends = {
        True: same + _text("pending"),
        False: same + _text(""),
    }
    records = sorted(
        [
            place + id_ + ends[is_forwarded] + digest + value
            for place, id_, is_forwarded, digest, value in zip(
                places,
                named,
                forwarded,
                map(_digest, members),
                map(NUMBER.pack, repeat(8), values),
                strict=True,
            )
        ]
    )
    _send(KEYS, 6, keys)
    _send(RECORDS, 10, records)


def _send(statement: str, columns: int, lines: Sequence[bytes]) -> None:
    count = COUNT.pack(columns)
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(statement) as copying,
    ):
        copying.write(BEGINNING + count + count.join(lines) + END)


def _texts(values: Collection[str]) -> dict[str, bytes]:
    return {value: _text(value) for value in set(values)}


def _text(value: str) -> bytes:
    written = value.encode()
    return LENGTH.pack(len(written)) + written


def _moment(value: datetime) -> bytes:
    return NUMBER.pack(8, (value - MIDNIGHT) // MICROSECOND)


def _digest(member: bytes | None) -> bytes:
    return NULL if member is None else LENGTH.pack(len(member)) + member
