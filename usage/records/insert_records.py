"""Insert records, each id once, and raise their totals: one statement for any number of records.

A large batch is inserted as a whole (``INSERT_NEW``): an existing id is an error, with a line in
the database's log. The statement therefore tries the smallest id first, and writes nothing if it
exists: so it is with a batch that is sent again. All other records go by ``INSERT``, which writes
and counts a record only where its key is new; it costs half as much again. The ORM cannot express
either, hence the SQL; it is constant. Records are sorted by id, so that two batches with the same
keys wait for each other in one order; keys are written before totals, as by all writers.

Arrays are unnested in the list of columns: in FROM, PostgreSQL would store each of them apart
before it joins them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from common import binary_arrays, prepared_statements
from usage.records.columns import RecordColumns
from usage.records.row import RecordRow
from usage.totals.aggregation import TotalChanges

INSERT = """
WITH given AS MATERIALIZED (
    SELECT unnest(%(ids)s::text[]) AS id, unnest(%(customers)s::text[]) AS customer_id,
        unnest(%(meters)s::text[]) AS meter_id, unnest(%(moments)s::timestamptz[]) AS occurred_at,
        unnest(%(values)s::bigint[]) AS value, unnest(%(members)s::bytea[]) AS member,
        unnest(%(forwardings)s::text[]) AS forwarding
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
    RETURNING id
), raised AS (
    INSERT INTO usage_total AS total
        (project_id, customer_id, meter_id, hour, count, sum, max, last, last_at)
    SELECT %(project)s, customer_id, meter_id, date_trunc('hour', occurred_at, 'UTC') AS hour,
        count(*), sum(value), max(value),
        (array_agg(value ORDER BY occurred_at DESC, value DESC))[1], max(occurred_at)
    FROM given WHERE id IN (SELECT id FROM stored)
    GROUP BY customer_id, meter_id, hour
    ORDER BY customer_id COLLATE "C", meter_id COLLATE "C", hour
    ON CONFLICT (project_id, customer_id, meter_id, hour) DO UPDATE SET
        count = total.count + excluded.count,
        sum = total.sum + excluded.sum,
        max = greatest(total.max, excluded.max),
        last = CASE WHEN (excluded.last_at, excluded.last) > (total.last_at, total.last)
            THEN excluded.last ELSE total.last END,
        last_at = greatest(total.last_at, excluded.last_at)
)
SELECT id FROM given WHERE id NOT IN (SELECT id FROM fresh)
"""

INSERT_NEW = """
WITH first_keyed AS (
    INSERT INTO usage_recordkey
        (project_id, id, customer_id, meter_id, occurred_at, fingerprint)
    SELECT %(project)s, id, customer_id, meter_id, occurred_at, ''
    FROM (
        SELECT unnest(%(ids)s::text[]) AS id, unnest(%(customers)s::text[]) AS customer_id,
            unnest(%(meters)s::text[]) AS meter_id,
            unnest(%(moments)s::timestamptz[]) AS occurred_at
    ) AS row
    LIMIT 1
    ON CONFLICT DO NOTHING
    RETURNING 1
), keyed AS (
    INSERT INTO usage_recordkey
        (project_id, id, customer_id, meter_id, occurred_at, fingerprint)
    SELECT %(project)s, id, customer_id, meter_id, occurred_at, ''
    FROM (
        SELECT unnest(%(ids)s::text[]) AS id, unnest(%(customers)s::text[]) AS customer_id,
            unnest(%(meters)s::text[]) AS meter_id,
            unnest(%(moments)s::timestamptz[]) AS occurred_at
    ) AS row
    WHERE (SELECT count(*) FROM first_keyed) > 0
    OFFSET 1
    RETURNING 1
), stored AS (
    INSERT INTO usage_record (project_id, customer_id, meter_id, occurred_at, id, value, member,
        recorded_at, corrects, forwarding, forwarding_error)
    SELECT %(project)s, customer_id, meter_id, occurred_at, id, value, member,
        %(at)s, '', forwarding, ''
    FROM (
        SELECT unnest(%(ids)s::text[]) AS id, unnest(%(customers)s::text[]) AS customer_id,
            unnest(%(meters)s::text[]) AS meter_id,
            unnest(%(moments)s::timestamptz[]) AS occurred_at,
            unnest(%(values)s::bigint[]) AS value, unnest(%(members)s::bytea[]) AS member,
            unnest(%(forwardings)s::text[]) AS forwarding
    ) AS row
    WHERE (SELECT count(*) FROM keyed) > 0
    RETURNING 1
), raised AS (
    INSERT INTO usage_total AS total
        (project_id, customer_id, meter_id, hour, count, sum, max, last, last_at)
    SELECT %(project)s, share.*
    FROM (
        SELECT unnest(%(total_customers)s::text[]), unnest(%(total_meters)s::text[]),
            unnest(%(hours)s::timestamptz[]), unnest(%(counts)s::bigint[]),
            unnest(%(sums)s::bigint[]), unnest(%(maxima)s::bigint[]),
            unnest(%(lasts)s::bigint[]), unnest(%(last_moments)s::timestamptz[])
    ) AS share
    WHERE (SELECT count(*) FROM stored) > 0
    ON CONFLICT (project_id, customer_id, meter_id, hour) DO UPDATE SET
        count = total.count + excluded.count,
        sum = total.sum + excluded.sum,
        max = greatest(total.max, excluded.max),
        last = CASE WHEN (excluded.last_at, excluded.last) > (total.last_at, total.last)
            THEN excluded.last ELSE total.last END,
        last_at = greatest(total.last_at, excluded.last_at)
)
SELECT count(*) FROM keyed
"""
"""Counting the stored records writes all of them before the first total, which is then locked for a
shorter time."""

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

WHOLE_FROM = 50
"""Number of records from which ``INSERT_NEW`` is tried."""


def insert_new(
    *,
    project_id: str,
    records: RecordColumns,
    changes: TotalChanges,
    at: datetime,
) -> bool:
    """Insert two or more records of which none exists, with what they add to totals.

    Returns False, with nothing written, if the record with the smallest id exists. Raises
    IntegrityError if another one does; the transaction has to be rolled back then. Of two equal
    batches the second waits for the first at that smallest id.
    """
    return prepared_statements.fetch_row(
        INSERT_NEW,
        {
            **_record_arrays(project_id, records, at),
            "total_customers": binary_arrays.of_texts(changes.customer_ids),
            "total_meters": binary_arrays.of_texts(changes.meter_ids),
            "hours": binary_arrays.of_moments(changes.hours),
            "counts": binary_arrays.of_numbers(changes.counts),
            "sums": binary_arrays.of_numbers(changes.sums),
            "maxima": binary_arrays.of_numbers(changes.maxima),
            "lasts": binary_arrays.of_numbers(changes.lasts),
            "last_moments": binary_arrays.of_moments(changes.last_moments),
        },
    ) != (0,)


def insert(
    *, project_id: str, records: RecordColumns, at: datetime, corrects: str = ""
) -> dict[str, RecordRow]:
    """Insert the records that do not exist, with what they add to totals; existing ones stay
    unchanged. Returns the existing ones by id.

    No id may occur twice. The caller has read customers and meters from the project's own tables.
    ``corrects`` is the id of the record that they replace.
    """
    parameters = {**_record_arrays(project_id, records, at), "corrects": corrects}
    existing_ids = [
        record_id for (record_id,) in prepared_statements.fetch_rows(INSERT, parameters)
    ]
    existing = find(project_id=project_id, ids=existing_ids) if existing_ids else {}
    if len(existing) < len(existing_ids):  # no record may count that is not there
        raise RuntimeError("The id of a record is taken, and not by a record of this project.")
    return existing


def _record_arrays(project_id: str, records: RecordColumns, at: datetime) -> dict[str, Any]:
    ids, customers, meters, moments, values, members, are_forwarded = records.sorted_by_id()
    return {
        "project": project_id,
        "at": at,
        "ids": binary_arrays.of_texts(ids),
        "customers": binary_arrays.of_texts(customers),
        "meters": binary_arrays.of_texts(meters),
        "moments": binary_arrays.of_moments(moments),
        "values": binary_arrays.of_numbers(values),
        "members": binary_arrays.of_bytes(members),
        "forwardings": binary_arrays.of_texts(
            ["pending" if is_forwarded else "" for is_forwarded in are_forwarded]
        ),
    }


def find(*, project_id: str, ids: Sequence[str]) -> dict[str, RecordRow]:
    """The records with these ids as they were recorded, voided or not."""
    parameters = {"project": project_id, "ids": binary_arrays.of_texts(ids)}
    rows = [
        RecordRow(
            record_id, customer, meter, moment, value, None if member is None else bytes(member)
        )
        for record_id, customer, meter, moment, value, member in prepared_statements.fetch_rows(
            FIND, parameters
        )
    ]
    return {row.id: row for row in rows}
