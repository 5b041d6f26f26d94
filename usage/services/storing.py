"""Store records, each once.

Many are copied, which is the fastest way into PostgreSQL and takes all or nothing. Few, and many of
which one was there, go by one statement that writes keys and records: the key is the gate, and a
record follows only where its key is new. The ORM can say neither, hence the SQL; it is constant.
Records are given in the order of their ids, so two batches with the same keys wait for each other
in one order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, connection, transaction

from usage import arrays

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

COPY_KEYS = """
COPY usage_recordkey
    (project_id, customer_id, meter_id, occurred_at, id, fingerprint) FROM STDIN
"""
COPY_RECORDS = """
COPY usage_record (project_id, customer_id, meter_id, occurred_at, id, recorded_at, value, member,
    corrects, forwarding, forwarding_error) FROM STDIN
"""
NULL = "\\N"
"""How COPY writes that there is nothing."""
MANY = 100
"""From how many records on it pays to copy them."""


class Row(NamedTuple):
    """A record as it is stored."""

    id: str
    customer_id: str
    meter_id: str
    occurred_at: datetime
    value: int
    member: bytes | None
    is_forwarded: bool = False

    def repeats(self, other: "Row") -> bool:
        """Whether both say the same, but for the moment."""
        return self[1:3] == other[1:3] and self[4:6] == other[4:6]


def store(
    *, project_id: str, rows: Sequence[Row], at: datetime, corrects: str = ""
) -> dict[str, Row]:
    """Write these records; those that were there already stay as they are.

    Returns those that were there, by id. No id may be given twice. Customers and meters are the
    project's own: whoever calls has read them from their tables. ``corrects`` is the id of the
    record whose place they take.
    """
    ordered = sorted(rows)
    if len(ordered) >= MANY and _copy(project_id, ordered, at, corrects):
        return {}
    known = _insert(project_id, ordered, at, corrects)
    return find(project_id=project_id, ids=known) if known else {}


def _copy(project_id: str, rows: Sequence[Row], at: datetime, corrects: str) -> bool:
    """Write all, at half the cost of statements; False, and nothing is written, when one of them
    was there already."""
    now, keys, records = at.isoformat(), [], []
    moment, written = at, now
    for id_, customer_id, meter_id, occurred_at, value, member, is_forwarded in rows:
        if occurred_at is not moment:  # most are of the moment at which they arrive
            moment, written = occurred_at, occurred_at.isoformat()
        place = f"{project_id}\t{customer_id}\t{meter_id}\t{written}\t{id_}\t"
        keys.append(f"{place}\n")
        digest = NULL if member is None else f"\\\\x{member.hex()}"
        forwarding = "pending" if is_forwarded else ""
        records.append(f"{place}{now}\t{value}\t{digest}\t{corrects}\t{forwarding}\t\n")
    records.sort()  # as they lie in their index
    try:
        with transaction.atomic(), connection.wrap_database_errors, connection.cursor() as cursor:
            for statement, lines in ((COPY_KEYS, keys), (COPY_RECORDS, records)):
                with cursor.copy(statement) as copy:
                    copy.write("".join(lines))
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
