"""Store records, each once.

One statement writes keys and records: the key is the gate, and a record follows only where its key
is new. The ORM cannot say that, hence the SQL; it is constant. Records are given in the order of
their ids, so two batches with the same keys wait for each other in one order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from usage.models import RecordKey

STORE = """
WITH given AS MATERIALIZED (
    SELECT row.id COLLATE "C" AS id, row.customer_id, row.meter_id, row.occurred_at, row.value,
        row.member, row.fingerprint, row.forwarding, row.corrects
    FROM unnest(%(ids)s::text[], %(customers)s::text[], %(meters)s::text[],
        %(moments)s::timestamptz[], %(values)s::bigint[], %(members)s::bytea[],
        %(fingerprints)s::bytea[], %(forwardings)s::text[], %(corrects)s::text[])
        AS row (id, customer_id, meter_id, occurred_at, value, member, fingerprint, forwarding,
            corrects)
), fresh AS (
    INSERT INTO usage_recordkey
        (project_id, id, customer_id, meter_id, occurred_at, recorded_at, fingerprint)
    SELECT %(project)s, id, customer_id, meter_id, occurred_at, %(at)s, fingerprint FROM given
    ON CONFLICT DO NOTHING
    RETURNING id
), stored AS (
    INSERT INTO usage_record (project_id, customer_id, meter_id, occurred_at, id, value, member,
        recorded_at, corrects, forwarding, forwarding_error)
    SELECT %(project)s, customer_id, meter_id, occurred_at, id, value, member,
        %(at)s, corrects, forwarding, ''
    FROM given WHERE id IN (SELECT id FROM fresh)
)
SELECT id FROM given WHERE id NOT IN (SELECT id FROM fresh)
"""


class Row(NamedTuple):
    """A record as it is stored."""

    id: str
    customer_id: str
    meter_id: str
    occurred_at: datetime
    value: int
    member: bytes | None
    fingerprint: bytes
    forwarding: str = ""
    corrects: str = ""


def store(*, project_id: str, rows: Sequence[Row], at: datetime) -> dict[str, bytes]:
    """Write these records; those that were there already stay as they are.

    Returns the fingerprints of those that were there, by id. No id may be given twice. Customers
    and meters are the project's own: whoever calls has read them from their tables.
    """
    ordered = sorted(rows)
    names = (
        "ids",
        "customers",
        "meters",
        "moments",
        "values",
        "members",
        "fingerprints",
        "forwardings",
        "corrects",
    )
    columns = zip(*ordered, strict=True)
    given = {name: list(column) for name, column in zip(names, columns, strict=True)}
    with connection.cursor() as cursor:
        cursor.execute(STORE, {"project": project_id, "at": at, **given})
        known = [id_ for (id_,) in cursor.fetchall()]
    return _fingerprints(project_id, known) if known else {}


def _fingerprints(project_id: str, ids: Sequence[str]) -> dict[str, bytes]:
    """By a later statement: the first one does not see what was committed while it waited."""
    rows = RecordKey.objects.for_project(project_id).filter(id__in=ids)
    return {id_: bytes(said) for id_, said in rows.values_list("id", "fingerprint")}
