"""Insert records, each id once.

Large batches are copied (``copy_records``): all or nothing, with an error in the database's log
when an id exists. A repeated batch is therefore detected first, by its first and last record, under
an advisory lock. Small batches, and large ones with an existing id, go by one statement that writes
keys and records: a record is written only where its key is new. The ORM cannot express that, hence
the SQL; it is constant. Records are sorted by id, so that two batches with the same keys wait for
each other in one order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

from django.db import IntegrityError, connection, transaction

from common import prepared_statements
from usage.records import copy_records
from usage.records.row import RecordRow
from usage.totals import arrays

INSERT = """
WITH given AS MATERIALIZED (
    SELECT row.id COLLATE "C" AS id, row.customer_id, row.meter_id, row.occurred_at, row.value,
        decode(row.member, 'hex') AS member,
        CASE WHEN row.is_forwarded THEN 'pending' ELSE '' END AS forwarding
    FROM unnest(%(ids)s::text[], %(customers)s::text[], %(meters)s::text[],
        %(moments)s::timestamptz[], %(values)s::bigint[], %(members)s::text[],
        %(forwarded)s::bool[])
        AS row (id, customer_id, meter_id, occurred_at, value, member, is_forwarded)
), fresh AS (
    INSERT INTO usage_recordkey
        (project_id, id, customer_id, meter_id, occurred_at, fingerprint)
    SELECT %(project)s, id, customer_id, meter_id, occurred_at, '' FROM given
    ON CONFLICT DO NOTHING
    RETURNING id
), stored AS (
    INSERT INTO usage_record (project_id, customer_id, meter_id, occurred_at, id, value, member,
        recorded_at, corrects, forwarding, forwarding_error)
    SELECT %(project)s, customer_id, meter_id, occurred_at, id, value, member,
        %(at)s, %(corrects)s, forwarding, ''
    FROM given WHERE id IN (SELECT id FROM fresh)
)
SELECT id FROM given WHERE id NOT IN (SELECT id FROM fresh)
"""

FIND = """
SELECT key.id, key.customer_id, key.meter_id, key.occurred_at, coalesce(record.value, 0),
    record.member
FROM usage_recordkey AS key
LEFT JOIN usage_record AS record
    ON record.project_id = key.project_id AND record.customer_id = key.customer_id
    AND record.meter_id = key.meter_id AND record.occurred_at = key.occurred_at
    AND record.id = key.id
WHERE key.project_id = %(project)s AND key.id = ANY (%(ids)s::text[])
"""

LOCK_BATCH = "SELECT count(pg_advisory_xact_lock(%(space)s::int, %(name)s::int))"
IS_KNOWN = """
SELECT EXISTS (
    SELECT FROM usage_recordkey WHERE project_id = %(project)s AND id IN (%(first)s, %(last)s))
"""
LOCK_SPACE = crc32(b"usage.batches") & 0x7FFFFFFF
"""Distinguishes the advisory locks of batches from others."""

COPY_FROM = 100
"""Number of records from which COPY is faster."""


def store(
    *, project_id: str, rows: Sequence[RecordRow], at: datetime, corrects: str = ""
) -> dict[str, RecordRow]:
    """Insert these records; existing ones stay unchanged. Returns the existing ones by id.

    No id may occur twice. The caller has read customers and meters from the project's own tables.
    ``corrects`` is the id of the record that they replace.
    """
    is_many = len(rows) >= COPY_FROM and _looks_new(project_id, rows)
    if is_many and _copy(project_id, rows, at, corrects):
        return {}
    existing_ids = _insert_rows(project_id, sorted(rows), at, corrects)
    existing = find(project_id=project_id, ids=existing_ids) if existing_ids else {}
    if len(existing) < len(existing_ids):  # no record may count that is not there
        raise RuntimeError("The id of a record is taken, and not by a record of this project.")
    return existing


def _looks_new(project_id: str, rows: Sequence[RecordRow]) -> bool:
    """Whether neither the first nor the last record exists; of two equal batches the second waits
    here.

    The lock is a statement of its own: a statement sees what was committed when it began.
    """
    first, last = rows[0].id, rows[-1].id
    name = crc32(first.encode()) & 0x7FFFFFFF
    prepared_statements.fetch_row(LOCK_BATCH, {"space": LOCK_SPACE, "name": name})
    return prepared_statements.fetch_row(
        IS_KNOWN, {"project": project_id, "first": first, "last": last}
    ) == (False,)


def _copy(project_id: str, rows: Sequence[RecordRow], at: datetime, corrects: str) -> bool:
    """Copy all, at half the cost of statements. False, with nothing written, when an id exists."""
    try:
        with transaction.atomic():
            copy_records.copy(project_id=project_id, rows=rows, at=at, corrects=corrects)
    except IntegrityError:
        return False
    return True


def _insert_rows(
    project_id: str, rows: Sequence[RecordRow], at: datetime, corrects: str
) -> list[str]:
    """Insert the new records; returns the existing ids."""
    ids, customers, meters, moments, values, members, forwarded = zip(*rows, strict=True)
    parameters: dict[str, Any] = {
        "project": project_id,
        "at": at,
        "corrects": corrects,
        "ids": arrays.of_texts(ids),
        "customers": arrays.of_texts(customers),
        "meters": arrays.of_texts(meters),
        "moments": arrays.of_moments(moments),
        "values": arrays.of_numbers(values),
        "members": arrays.of_digests(members),
        "forwarded": arrays.of_texts(map(str, forwarded)),
    }
    with connection.cursor() as cursor:
        cursor.execute(INSERT, parameters)
        return [record_id for (record_id,) in cursor.fetchall()]


def find(*, project_id: str, ids: Sequence[str]) -> dict[str, RecordRow]:
    """The records with these ids as they were recorded, voided or not."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, {"project": project_id, "ids": arrays.of_texts(ids)})
        rows = [
            RecordRow(
                record_id, customer, meter, moment, value, None if member is None else bytes(member)
            )
            for record_id, customer, meter, moment, value, member in cursor.fetchall()
        ]
    return {row.id: row for row in rows}
