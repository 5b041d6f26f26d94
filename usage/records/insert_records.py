"""Store records, each once.

Many are copied (`copying`), which takes all or nothing, and is an error in the database's log where
one was there. A batch that was sent before is therefore recognised first, by its first and last
record, and whoever sends the same one meanwhile waits. Few, and many of which one was there, go by
one statement that writes keys and records: the key is the gate, and a record follows only where its
key is new. The ORM cannot say that, hence the SQL; it is constant. Records are given in the order
of their ids, so two batches with the same keys wait for each other in one order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

from django.db import IntegrityError, connection, transaction

from common import prepared
from usage.records import copy_records as copying
from usage.records.row import Row
from usage.totals import arrays

STORE = """
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

HOLD = "SELECT count(pg_advisory_xact_lock(%(space)s::int, %(name)s::int))"
KNOWS = """
SELECT EXISTS (
    SELECT FROM usage_recordkey WHERE project_id = %(project)s AND id IN (%(first)s, %(last)s))
"""
SPACE = crc32(b"usage.batches") & 0x7FFFFFFF
"""What tells the locks of batches from others."""

MANY = 100
"""From how many records on it pays to copy them."""


def store(
    *, project_id: str, rows: Sequence[Row], at: datetime, corrects: str = ""
) -> dict[str, Row]:
    """Write these records; those that were there already stay as they are.

    Returns those that were there, by id. No id may be given twice. Customers and meters are the
    project's own: whoever calls has read them from their tables. ``corrects`` is the id of the
    record whose place they take.
    """
    is_many = len(rows) >= MANY and _looks_new(project_id, rows)
    if is_many and _copy(project_id, rows, at, corrects):
        return {}
    known = _insert(project_id, sorted(rows), at, corrects)
    found = find(project_id=project_id, ids=known) if known else {}
    if len(found) < len(known):  # no record may count that is not there
        raise RuntimeError("The id of a record is taken, and not by a record of this project.")
    return found


def _looks_new(project_id: str, rows: Sequence[Row]) -> bool:
    """Whether neither its first nor its last record is there; of two equal batches one waits here.

    The lock has a statement of its own: a statement sees what was committed when it began.
    """
    first, last = rows[0].id, rows[-1].id
    name = crc32(first.encode()) & 0x7FFFFFFF
    prepared.row(HOLD, {"space": SPACE, "name": name})
    return prepared.row(KNOWS, {"project": project_id, "first": first, "last": last}) == (False,)


def _copy(project_id: str, rows: Sequence[Row], at: datetime, corrects: str) -> bool:
    """Write all, at half the cost of statements; False, and nothing is written, when one of them
    was there already."""
    try:
        with transaction.atomic():
            copying.copy(project_id=project_id, rows=rows, at=at, corrects=corrects)
    except IntegrityError:
        return False
    return True


def _insert(project_id: str, rows: Sequence[Row], at: datetime, corrects: str) -> list[str]:
    """Write what is new; the ids of what was there."""
    ids, customers, meters, moments, values, members, forwarded = zip(*rows, strict=True)
    given: dict[str, Any] = {
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
        cursor.execute(STORE, given)
        return [id_ for (id_,) in cursor.fetchall()]


def find(*, project_id: str, ids: Sequence[str]) -> dict[str, Row]:
    """The records with these ids as they were told, voided or not."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, {"project": project_id, "ids": arrays.of_texts(ids)})
        rows = [
            Row(id_, customer, meter, moment, value, None if member is None else bytes(member))
            for id_, customer, meter, moment, value, member in cursor.fetchall()
        ]
    return {row.id: row for row in rows}
