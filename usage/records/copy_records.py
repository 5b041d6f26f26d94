"""Copy many records into their tables with COPY, the fastest way into PostgreSQL.

Rows are written column by column in COPY's binary form, which the database reads without parsing;
most columns are equal for all rows. COPY takes all rows or none. Rows are sorted by their index and
keys by their ids, so that two batches with the same keys wait for each other in one order.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from itertools import repeat
from struct import Struct

from django.db import connection

from usage.records.row import RecordRow

COPY_KEYS = """
COPY usage_recordkey (id, project_id, customer_id, meter_id, occurred_at, fingerprint)
FROM STDIN (FORMAT binary)
"""
COPY_RECORDS = """
COPY usage_record (customer_id, meter_id, occurred_at, id, project_id, recorded_at, corrects,
    forwarding, member, value) FROM STDIN (FORMAT binary)
"""

COPY_HEADER, COPY_TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
COUNT, LENGTH, NUMBER = Struct(">h"), Struct(">i"), Struct(">iq")
NULL, EMPTY = LENGTH.pack(-1), LENGTH.pack(0)
POSTGRES_EPOCH, MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
"""PostgreSQL's binary timestamps count microseconds from here."""


def copy(*, project_id: str, rows: Sequence[RecordRow], at: datetime, corrects: str) -> None:
    """Write keys and records. Raises IntegrityError when one of the ids exists."""
    ids, customer_ids, meter_ids, moments, values, members, forwarded = zip(*rows, strict=True)
    packed_ids = [_pack_text(record_id) for record_id in ids]
    packed_customers, packed_meters = _pack_texts(customer_ids), _pack_texts(meter_ids)
    packed_moments = {moment: _pack_timestamp(moment) for moment in set(moments)}
    places = [
        packed_customers[customer_id] + packed_meters[meter_id] + packed_moments[moment]
        for customer_id, meter_id, moment in zip(customer_ids, meter_ids, moments, strict=True)
    ]
    project = _pack_text(project_id)
    keys = sorted(
        [
            record_id + project + place + EMPTY
            for record_id, place in zip(packed_ids, places, strict=True)
        ]
    )
    common = project + _pack_timestamp(at) + _pack_text(corrects)
    endings = {
        True: common + _pack_text("pending"),
        False: common + _pack_text(""),
    }
    records = sorted(
        [
            place + record_id + endings[is_forwarded] + digest + value
            for place, record_id, is_forwarded, digest, value in zip(
                places,
                packed_ids,
                forwarded,
                map(_pack_digest, members),
                map(NUMBER.pack, repeat(8), values),
                strict=True,
            )
        ]
    )
    _copy_lines(COPY_KEYS, 6, keys)
    _copy_lines(COPY_RECORDS, 10, records)


def _copy_lines(statement: str, columns: int, lines: Sequence[bytes]) -> None:
    count = COUNT.pack(columns)
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(statement) as copying,
    ):
        copying.write(COPY_HEADER + count + count.join(lines) + COPY_TRAILER)


def _pack_texts(values: Collection[str]) -> dict[str, bytes]:
    return {value: _pack_text(value) for value in set(values)}


def _pack_text(value: str) -> bytes:
    encoded = value.encode()
    return LENGTH.pack(len(encoded)) + encoded


def _pack_timestamp(value: datetime) -> bytes:
    return NUMBER.pack(8, (value - POSTGRES_EPOCH) // MICROSECOND)


def _pack_digest(member: bytes | None) -> bytes:
    return NULL if member is None else LENGTH.pack(len(member)) + member
